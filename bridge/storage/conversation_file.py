"""The SQLite file of conversations: digests of histories and their positions; every call blocks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bridge.chat.history_digests import (
    after,
    are_cleared,
    digest,
    is_too_long,
    results,
    skeleton,
    split,
    system_head,
)
from bridge.chat.system_changes import news, outline
from bridge.chat.types import ChatRequest, Message
from bridge.durations import DAY
from bridge.errors import SetupError, StorageError, UnknownConversation
from bridge.settings import ConversationSettings
from bridge.storage.sqlite_file import open_database

TABLES = ("conversation", "made")
VERSION = 1
"""Version of the schema, stored in `user_version`; older files have 0, and may lack a column."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS conversation (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, message TEXT NOT NULL, history BLOB NOT NULL, used REAL NOT NULL,
    system BLOB NOT NULL DEFAULT x'', tokens INTEGER,
    skeleton BLOB NOT NULL DEFAULT x'', results BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX IF NOT EXISTS by_history ON conversation (history);
CREATE INDEX IF NOT EXISTS by_use ON conversation (account, used);
CREATE TABLE IF NOT EXISTS made (id TEXT PRIMARY KEY, account TEXT NOT NULL, used REAL NOT NULL) STRICT;
"""
LATER_COLUMNS = {
    "system": "BLOB NOT NULL DEFAULT x''",
    "tokens": "INTEGER",
    "skeleton": "BLOB NOT NULL DEFAULT x''",
    "results": "BLOB NOT NULL DEFAULT x''",
}
"""Columns that older files of versions 0 and 1 lack."""
MADE = 365 * DAY
"""Seconds for which the bridge remembers that it created a conversation: it deletes only its own."""
NOT_HERE = "No account here has that conversation."
CANDIDATES = 20
"""Most conversations with the same dialogue that are compared."""


@dataclass(frozen=True, slots=True)
class ConversationPosition:
    """A conversation of an account; `message` is the id of its last answer."""

    account: str
    conversation: str
    message: str
    news: str = ""
    """Changes of the system text that the conversation does not have yet."""
    is_again: bool = False
    """Whether the conversation already has the new messages, with an answer that broke off."""
    tokens: int | None = field(default=None, compare=False)
    """Tokens of the conversation; None: unknown."""

    @property
    def id(self) -> str:
        """Return the id for clients: `<conversation>@<message>`."""
        return f"{self.conversation}@{self.message}"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one conversation: its values in the order of the columns, or only its id."""

    kind: Literal["stored", "forgotten", "made", "deleted"]
    account: str
    row: tuple[str | float | bytes | None, ...]


STATEMENTS: Mapping[str, Sequence[str]] = {
    "stored": (
        "INSERT OR REPLACE INTO conversation (id, account, message, history, used, system, tokens, skeleton, results)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    "forgotten": ("DELETE FROM conversation WHERE id = ?",),
    "made": ("INSERT OR REPLACE INTO made VALUES (?, ?, ?)",),
    "deleted": ("DELETE FROM conversation WHERE id = ?", "DELETE FROM made WHERE id = ?"),
}


class ConversationFile:
    """The positions in a SQLite file; all methods block, and only one thread may call them at a time."""

    def __init__(self, path: Path, settings: ConversationSettings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._max_age = settings.max_age * DAY
        with ExitStack() as undo:
            try:
                self._database = open_database(path, SCHEMA, VERSION, _add_later_columns)
                undo.callback(self._database.close)
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._forget_old()
            except StorageError as error:
                raise SetupError(error.message) from error
            except (sqlite3.Error, OSError) as error:
                raise SetupError(
                    f"Cannot use the file of conversations {path}: {error}. Remove it to start over."
                ) from error
            undo.pop_all()
        self.on_change: Callable[[Change], None] = lambda _: None
        """Called after each change made by this bridge, except those of whole accounts."""

    def find(self, request: ChatRequest, accounts: Collection[str]) -> ConversationPosition | None:
        """Return the position on these accounts at which `request` continues, or None for a new conversation.

        Raise `UnknownConversation` if the client names one that is not here.
        """
        if request.conversation is not None:
            return self._named(request.conversation, accounts)
        if not self._settings.enabled:
            return None
        history, new = split(request.messages)
        if not history or not new or is_too_long(request.messages):
            return None
        if (place := self._known(history, accounts)) is not None:
            return place
        again = self._known(request.messages, accounts)
        return None if again is None else replace(again, is_again=True)

    def remember(self, place: ConversationPosition, messages: Sequence[Message], answer: str) -> None:
        """Store the position of `messages` and their `answer`."""
        self._store(place, after(messages, answer))

    def remember_broken_off(self, place: ConversationPosition, messages: Sequence[Message]) -> None:
        """Store the position of `messages` with an answer that broke off, for a client that requests it again.

        Such a history ends with the question, so it is never confused with one that ends with an answer.
        """
        if split(messages)[0]:  # else nothing would be saved
            self._store(place, messages)

    def _store(self, place: ConversationPosition, history: Sequence[Message]) -> None:
        if is_too_long(history):
            return
        head = system_head(history)
        dialogue = history[len(head) :]
        row = (
            place.conversation,
            place.account,
            place.message,
            digest(dialogue),
            self._now(),
            outline(head),
            place.tokens,
            skeleton(dialogue),
            results(dialogue),
        )
        self._change(Change("stored", place.account, row))

    def _change(self, change: Change) -> None:
        """Apply a change of this bridge, and report it."""
        self.apply(change)
        self.on_change(change)

    def apply(self, change: Change) -> None:
        """Apply a change of this bridge or of another node."""
        for statement in STATEMENTS[change.kind]:
            self._database.execute(statement, change.row[: statement.count("?")])

    def forget(self, conversation: str) -> None:
        """Drop a conversation that is gone, or whose position is unknown."""
        self._change(Change("forgotten", self._account_of(conversation), (conversation,)))

    def made(self, conversation: str, account: str) -> None:
        """Record that the bridge created the conversation, and that it is in use now."""
        self._change(Change("made", account, (conversation, account, self._now())))

    def unused(self, account: str) -> str | None:
        """Return the oldest of the bridge's conversations that is due to be deleted on the site; None if none is."""
        if self._settings.delete_after is None:
            return None
        row = self._database.execute(
            "SELECT id FROM made WHERE account = ? AND used <= ? ORDER BY used LIMIT 1",
            (account, self._now() - self._settings.delete_after * DAY),
        ).fetchone()
        return row[0] if row else None

    def deleted(self, conversation: str) -> None:
        """Drop a conversation that the site no longer has."""
        self._change(Change("deleted", self._account_of(conversation), (conversation,)))

    def rename(self, account: str, to: str) -> None:
        """Move an account's conversations to its new name."""
        for table in TABLES:
            self._database.execute(f"UPDATE {table} SET account = ? WHERE account = ?", (to, account))  # noqa: S608

    def forget_account(self, account: str) -> None:
        """Drop all conversations of an account."""
        for table in TABLES:
            self._database.execute(f"DELETE FROM {table} WHERE account = ?", (account,))  # noqa: S608

    def close(self) -> None:
        """Close the file, even if the disk fails."""
        try:
            self._forget_old()
        finally:
            self._database.close()

    def _account_of(self, conversation: str) -> str:
        found = self._database.execute("SELECT account FROM made WHERE id = ?", (conversation,)).fetchone()
        return found[0] if found else ""

    def _named(self, name: str, accounts: Collection[str]) -> ConversationPosition:
        conversation, _, message = name.partition("@")
        place = self._one("id = ?", conversation, accounts)
        if place is None:
            raise UnknownConversation(NOT_HERE, param="conversation_id")
        if message and message != place.message:
            raise UnknownConversation(
                "The conversation has continued since; use the id of its last answer.", param="conversation_id"
            )
        return place

    def _known(self, history: Sequence[Message], accounts: Collection[str]) -> ConversationPosition | None:
        """Return the position of the dialogue: under the same system text, else under one that differs a little."""
        head = system_head(history)
        system, found = outline(head), self._dialogues(history[len(head) :], accounts)
        same = next((place for place, known in found if known == system), None)
        if same is not None or self._settings.system_changes == "restart":
            return same
        changed = ((place, news(known, head)) for place, known in found)
        return next((replace(place, news=news) for place, news in changed if news is not None), None)

    def _dialogues(
        self, dialogue: Sequence[Message], accounts: Collection[str]
    ) -> list[tuple[ConversationPosition, bytes]]:
        """Return the positions of the dialogue, else those with tool results that the client has cleared since."""
        if same := self._rows("history = ?", digest(dialogue), accounts):
            return [(place, system) for place, system, _ in same]
        alike = self._rows("skeleton = ?", skeleton(dialogue), accounts)
        return [(place, system) for place, system, known in alike if are_cleared(known, dialogue)]

    def _one(self, condition: str, value: str | bytes, accounts: Collection[str]) -> ConversationPosition | None:
        return next((place for place, _, _ in self._rows(condition, value, accounts)), None)

    def _rows(
        self, condition: str, value: str | bytes, accounts: Collection[str]
    ) -> list[tuple[ConversationPosition, bytes, bytes]]:
        """Return the positions that meet the condition, last used first, with their system outline and results."""
        rows = self._database.execute(
            f"SELECT account, id, message, tokens, system, results FROM conversation WHERE {condition} AND used > ?"  # noqa: S608
            f" AND account IN ({','.join('?' * len(accounts))}) ORDER BY used DESC LIMIT {CANDIDATES}",
            (value, self._now() - self._max_age, *accounts),
        )
        return [
            (ConversationPosition(account, conversation, message, tokens=tokens), system, known)
            for account, conversation, message, tokens, system, known in rows
        ]

    def _forget_old(self) -> None:
        self._database.execute("DELETE FROM conversation WHERE used <= ?", (self._now() - self._max_age,))
        self._database.execute("DELETE FROM made WHERE used <= ?", (self._now() - MADE,))


def _add_later_columns(database: sqlite3.Connection) -> None:
    columns = {row[1] for row in database.execute("PRAGMA table_info(conversation)")}
    for column, kind in LATER_COLUMNS.items():
        if column not in columns:
            database.execute(f"ALTER TABLE conversation ADD COLUMN {column} {kind}")
    database.execute("CREATE INDEX IF NOT EXISTS by_skeleton ON conversation (skeleton)")
