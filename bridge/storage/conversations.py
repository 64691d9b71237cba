"""Which message history lives in which account's native conversation, so that the next turn can go on there.

A client sends its whole history each time. If that history is one that an account has already had, only what is
new needs to be typed. Histories are kept as digests of what was said, never as text; each native conversation has
one, that of its last answer, because only there a page can go on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from loguru import logger

from bridge.background import Background
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Opened, Text
from bridge.errors import StorageError
from bridge.settings import ConversationSettings
from bridge.storage.conversation_file import ConversationFile, ConversationPosition

DISK_LIMIT = 5.0
"""Seconds that a chat waits for what is known about its history."""
DISK_FAILS = (sqlite3.Error, OSError)


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

    async def find(self, request: ChatRequest, accounts: Collection[str]) -> ConversationPosition | None:
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
        self,
        place: ConversationPosition,
        messages: Sequence[Message],
        answer: str,
        returned: Callable[[str], str] = str,
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


class ConversationRecorder:
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
                place = ConversationPosition(self._account, self._opened.conversation, self._opened.message)
                request = self._request
                seen = request.messages[: len(request.messages) - request.unseen]
                self._conversations.remember(place, seen, "".join(self._answer), request.returned)
