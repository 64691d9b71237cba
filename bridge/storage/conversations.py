"""Which message history lives in which account's native conversation, so that the next turn can go on there.

A client sends its whole history each time. If that history is one that an account has already had, only what is
new needs to be typed. Histories are kept as digests of what was said, never as text; each native conversation has
one, that of its last answer, because only there a page can go on.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loguru import logger

from bridge.background import Background
from bridge.chat.history_digests import after, digest, is_too_long, news, outline, split, system_head
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Opened, Text
from bridge.durations import DAY
from bridge.errors import SetupError, StorageError, UnknownConversation
from bridge.settings import ConversationSettings
from bridge.storage.atomic import create_empty

TABLES = ("conversation", "made")
SCHEMA = """
CREATE TABLE IF NOT EXISTS conversation (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, message TEXT NOT NULL, history BLOB NOT NULL, used REAL NOT NULL,
    system BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX IF NOT EXISTS by_history ON conversation (history);
CREATE INDEX IF NOT EXISTS by_use ON conversation (account, used);
CREATE TABLE IF NOT EXISTS made (id TEXT PRIMARY KEY, account TEXT NOT NULL, used REAL NOT NULL) STRICT;
"""
MADE = 365 * DAY
"""How long it is known that a conversation is the bridge's own, and not one that somebody began by hand."""
NOT_HERE = "No account here has that conversation."
DISK_LIMIT = 5.0
"""Seconds that a chat waits for what is known about its history."""
DISK_FAILS = (sqlite3.Error, OSError)
CANDIDATES = 20
"""How many conversations with the same dialogue are looked at."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands: `message` is the id of its last answer."""

    account: str
    conversation: str
    message: str
    news: str = ""
    """The lines of the system text that the conversation does not have yet."""

    @property
    def id(self) -> str:
        """Return the name that clients have for it: `<conversation>@<message>`."""
        return f"{self.conversation}@{self.message}"


class Conversations:
    """The places that are known; whatever asks or tells of them waits for no disk, and no chat fails by one."""

    def __init__(self, path: Path, settings: ConversationSettings) -> None:
        self._path = path
        self._settings = settings
        self._thread = Background("conversations")
        self._file: ConversationFile | None = None

    async def open(self) -> None:
        """Open the file; raises a `SetupError` where it cannot be used."""
        self._file = await asyncio.to_thread(ConversationFile, self._path, self._settings)

    async def find(self, request: ChatRequest, accounts: Collection[str]) -> Place | None:
        """Return where on these accounts `request` goes on; see `ConversationFile.find`.

        Raises a `StorageError` where the client names a conversation and the disk fails.
        """
        if request.conversation is None and (not self._settings.enabled or len(request.messages) < 2):
            return None
        try:
            return await self._thread.run(DISK_LIMIT, self._opened.find, request, accounts)
        except DISK_FAILS as error:
            logger.warning("Cannot look up conversations: {}: {}", type(error).__name__, error)
            if request.conversation is not None:
                raise StorageError("The bridge cannot look up conversations: its disk fails.") from error
            return None

    def remember(
        self, place: Place, messages: Sequence[Message], answer: str, returned: Callable[[str], str] = str
    ) -> None:
        """Note where a history lives, with the answer as it will be `returned`; see `ConversationFile.remember`."""
        file = self._opened
        self._thread.start(lambda: file.remember(place, messages, returned(answer)))

    def forget(self, conversation: str) -> None:
        """Drop a conversation; see `ConversationFile.forget`."""
        self._thread.start(self._opened.forget, conversation)

    def made(self, conversation: str, account: str) -> None:
        """Note a conversation of the bridge's own; see `ConversationFile.made`."""
        self._thread.start(self._opened.made, conversation, account)

    def deleted(self, conversation: str) -> None:
        """Drop a conversation that the site does not have any more."""
        self._thread.start(self._opened.deleted, conversation)

    def rename(self, account: str, to: str) -> None:
        """Let an account's conversations belong to it under its new name."""
        self._thread.start(self._opened.rename, account, to)

    def forget_account(self, account: str) -> None:
        """Drop all conversations of an account that is removed."""
        self._thread.start(self._opened.forget_account, account)

    async def unused(self, account: str) -> str | None:
        """Return a conversation to be deleted on the site; see `ConversationFile.unused`."""
        if self._settings.delete_after is None:
            return None
        with suppress(*DISK_FAILS):
            return await self._thread.run(DISK_LIMIT, self._opened.unused, account)
        return None

    async def close(self) -> None:
        """Write what is still to be noted, and close the file."""
        if self._file is not None:
            self._thread.start(self._file.close)
        await self._thread.close()

    @property
    def _opened(self) -> ConversationFile:
        assert self._file is not None, "open() comes first"  # noqa: S101
        return self._file


class ConversationFile:
    """The places in a SQLite file; all of it blocks, and is used by one thread at a time."""

    def __init__(self, path: Path, settings: ConversationSettings) -> None:
        try:
            create_empty(path)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(SCHEMA)
            self._add_column()
        except (sqlite3.Error, OSError) as error:
            raise SetupError(
                f"Cannot use the file of conversations {path}: {error}. Remove it to start anew."
            ) from error
        self._settings = settings
        self._max_age = settings.max_age * DAY
        self._forget_old()

    def find(self, request: ChatRequest, accounts: Collection[str]) -> Place | None:
        """Return where on these accounts `request` goes on, or None for a new conversation.

        Raises `UnknownConversation` where the client names one that is not here.
        """
        if request.conversation is not None:
            return self._named(request.conversation, accounts)
        if not self._settings.enabled:
            return None
        history, new = split(request.messages)
        return self._known(history, accounts) if history and new and not is_too_long(history) else None

    def remember(self, place: Place, messages: Sequence[Message], answer: str) -> None:
        """Note that the place is where `messages` and their `answer` live."""
        history = after(messages, answer)
        if is_too_long(history):
            return
        head = system_head(history)
        dialogue = digest(history[len(head) :])
        self._database.execute(
            "INSERT OR REPLACE INTO conversation (id, account, message, history, used, system)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                place.conversation,
                place.account,
                place.message,
                dialogue,
                time.time(),
                outline(head),
            ),
        )

    def forget(self, conversation: str) -> None:
        """Drop a conversation: it is gone, or nobody knows where it stands."""
        self._database.execute("DELETE FROM conversation WHERE id = ?", (conversation,))

    def made(self, conversation: str, account: str) -> None:
        """Note that the conversation is the bridge's own, and in use now."""
        self._database.execute("INSERT OR REPLACE INTO made VALUES (?, ?, ?)", (conversation, account, time.time()))

    def unused(self, account: str) -> str | None:
        """Return a conversation of the bridge that the settings want deleted on the site by now, the oldest first."""
        if self._settings.delete_after is None:
            return None
        row = self._database.execute(
            "SELECT id FROM made WHERE account = ? AND used <= ? ORDER BY used LIMIT 1",
            (account, time.time() - self._settings.delete_after * DAY),
        ).fetchone()
        return row[0] if row else None

    def deleted(self, conversation: str) -> None:
        """Drop a conversation that the site does not have any more."""
        self.forget(conversation)
        self._database.execute("DELETE FROM made WHERE id = ?", (conversation,))

    def rename(self, account: str, to: str) -> None:
        """Let an account's conversations belong to it under its new name."""
        for table in TABLES:
            self._database.execute(f"UPDATE {table} SET account = ? WHERE account = ?", (to, account))  # noqa: S608

    def forget_account(self, account: str) -> None:
        """Drop all conversations of an account."""
        for table in TABLES:
            self._database.execute(f"DELETE FROM {table} WHERE account = ?", (account,))  # noqa: S608

    def close(self) -> None:
        """Close the file."""
        self._forget_old()
        self._database.close()

    def _named(self, name: str, accounts: Collection[str]) -> Place:
        conversation, _, message = name.partition("@")
        place = self._one("id = ?", conversation, accounts)
        if place is None:
            raise UnknownConversation(NOT_HERE, param="conversation_id")
        if message and message != place.message:
            raise UnknownConversation(
                "The conversation has gone on since; use the id of its last answer.", param="conversation_id"
            )
        return place

    def _known(self, history: Sequence[Message], accounts: Collection[str]) -> Place | None:
        """Return where the dialogue lives: under the same system text, else under one that differs a little."""
        head = system_head(history)
        system, found = outline(head), self._rows("history = ?", digest(history[len(head) :]), accounts)
        same = next((place for place, known in found if known == system), None)
        if same is not None or self._settings.system_changes == "restart":
            return same
        changed = ((place, news(known, head)) for place, known in found)
        return next((replace(place, news=told) for place, told in changed if told is not None), None)

    def _one(self, condition: str, value: str | bytes, accounts: Collection[str]) -> Place | None:
        return next((place for place, _ in self._rows(condition, value, accounts)), None)

    def _rows(self, condition: str, value: str | bytes, accounts: Collection[str]) -> list[tuple[Place, bytes]]:
        """Return the places that fulfil the condition, the last used first, with the outlines of their system texts."""
        rows = self._database.execute(
            f"SELECT account, id, message, system FROM conversation WHERE {condition} AND used > ?"  # noqa: S608
            f" AND account IN ({','.join('?' * len(accounts))}) ORDER BY used DESC LIMIT {CANDIDATES}",
            (value, time.time() - self._max_age, *accounts),
        )
        return [(Place(*place), system) for *place, system in rows]

    def _add_column(self) -> None:
        """Bring a file of an earlier version up to date."""
        if "system" not in {row[1] for row in self._database.execute("PRAGMA table_info(conversation)")}:
            self._database.execute("ALTER TABLE conversation ADD COLUMN system BLOB NOT NULL DEFAULT x''")

    def _forget_old(self) -> None:
        self._database.execute("DELETE FROM conversation WHERE used <= ?", (time.time() - self._max_age,))
        self._database.execute("DELETE FROM made WHERE used <= ?", (time.time() - MADE,))


class Note:
    """Hears one answer, and remembers at its end where the conversation stands now."""

    def __init__(self, conversations: Conversations, request: ChatRequest, account: str) -> None:
        self._conversations = conversations
        self._request = request
        self._account = account
        self._opened: Opened | None = None
        self._answer: list[str] = []

    def hear(self, event: ChatEvent) -> None:
        """Take the next event."""
        match event:
            case Opened(conversation=str(conversation)):
                self._opened = event
                self._conversations.made(conversation, self._account)
                self._conversations.forget(conversation)  # it moves on: until the end nobody knows where it stands
            case Text(text):
                self._answer.append(text)
            case Finish("stop") if self._opened and self._opened.conversation and self._opened.message:
                place = Place(self._account, self._opened.conversation, self._opened.message)
                request = self._request
                seen = request.messages[: len(request.messages) - request.unseen]
                self._conversations.remember(place, seen, "".join(self._answer), request.returned)
