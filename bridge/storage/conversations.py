"""Finds the conversation on the site that already holds a message history, so that the next turn continues it.

A client sends its whole history each time. If an account's conversation holds that history, only the new messages are
sent. Histories are stored as digests, never as text; each conversation has one, that of its last answer, because a
page can continue only there.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from loguru import logger

from bridge.background import Background
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Opened, Rewritten, Text, Thinking
from bridge.errors import StorageError
from bridge.settings import ConversationSettings
from bridge.storage.conversation_file import Change, ConversationFile, ConversationPosition
from bridge.storage.conversation_tokens import tokens_after

DISK_LIMIT = 5.0
"""Seconds that a chat waits for the lookup of its history."""
DISK_FAILS = (sqlite3.Error, OSError)


class Conversations:
    """The stored positions; writes do not wait for the disk, and a failed lookup finds nothing."""

    def __init__(self, path: Path, settings: ConversationSettings, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._path = path
        self._settings = settings
        self._thread = Background("conversations")
        self._file: ConversationFile | None = None

    def subscribe(self, on_change: Callable[[Change], None]) -> None:
        """Call `on_change`, in the file's thread, after each change of a conversation; the file must be open."""
        self._opened.on_change = on_change

    def apply(self, change: Change) -> None:
        """Apply a change of another node."""
        self._thread.start(self._opened.apply, change)

    async def open(self) -> None:
        """Open the file; raise `SetupError` if it cannot be used."""
        self._file = await asyncio.to_thread(ConversationFile, self._path, self._settings, self._now)

    async def find(self, request: ChatRequest, accounts: Collection[str]) -> ConversationPosition | None:
        """Return the position on these accounts at which `request` continues; see `ConversationFile.find`.

        Raise a `StorageError` if the client names a conversation and the disk fails.
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
        tokens: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Store the position of a history, with the answer as clients return it; see `ConversationFile.remember`.

        `tokens` counts the conversation's tokens; it runs off the event loop.
        """
        file = self._opened
        self._thread.start(lambda: file.remember(replace(place, tokens=tokens()), messages, returned(answer)))

    def remember_broken_off(
        self, place: ConversationPosition, messages: Sequence[Message], tokens: Callable[[], int | None]
    ) -> None:
        """Store the position of an answer that broke off; see `ConversationFile.remember_broken_off`."""
        file = self._opened
        self._thread.start(lambda: file.remember_broken_off(replace(place, tokens=tokens()), messages))

    def forget(self, conversation: str) -> None:
        """Drop a conversation; see `ConversationFile.forget`."""
        self._thread.start(self._opened.forget, conversation)

    def made(self, conversation: str, account: str) -> None:
        """Record a conversation that the bridge created; see `ConversationFile.made`."""
        self._thread.start(self._opened.made, conversation, account)

    def deleted(self, conversation: str) -> None:
        """Drop a conversation that the site no longer has."""
        self._thread.start(self._opened.deleted, conversation)

    def rename(self, account: str, to: str) -> None:
        """Move an account's conversations to its new name."""
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
        """Finish the queued writes, and close the file."""
        if self._file is not None:
            self._thread.start(self._file.close)
        await self._thread.close()

    @property
    def _opened(self) -> ConversationFile:
        assert self._file is not None, "open() comes first"  # noqa: S101
        return self._file


class Store(Protocol):
    """A function that stores the position of a history; `tokens` counts the conversation's tokens."""

    def __call__(
        self, place: ConversationPosition, messages: Sequence[Message], *, tokens: Callable[[], int | None]
    ) -> None: ...


class ConversationRecorder:
    """Records the conversation's position when an answer completes or breaks off.

    `before` is the position at which the chat continues.
    """

    def __init__(
        self,
        conversations: Conversations,
        request: ChatRequest,
        account: str,
        before: ConversationPosition | None = None,
    ) -> None:
        self._conversations = conversations
        self._request = request
        self._account = account
        self._before = before
        self._opened: Opened | None = None
        self._answer: list[str] = []
        self._is_answering = False

    async def recorded(self, events: AsyncIterator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
        """Yield the events of the answer, and record its position."""
        try:
            async for event in events:
                self._take(event)
                yield event
        finally:
            if self._is_answering:  # else it is complete, or never began
                self._remember(self._conversations.remember_broken_off)

    def _take(self, event: ChatEvent) -> None:
        match event:
            case Opened(conversation=str(conversation)):
                self._opened = event
                if self._before is not None and self._before.conversation != conversation:
                    self._before = None  # the site no longer had it, so a new one was started
                self._conversations.made(conversation, self._account)
                self._conversations.forget(
                    conversation
                )  # its position is unknown until the answer completes; a crash before that must not leave the old one
            case Text(text):
                self._is_answering = True
                self._answer.append(text)
            case Rewritten(text):
                self._answer = [text]
            case Thinking():
                self._is_answering = True
            case Finish(reason):
                self._is_answering = False
                if reason == "stop":
                    answer, returned = "".join(self._answer), self._request.returned
                    self._remember(partial(self._conversations.remember, answer=answer, returned=returned))

    def _remember(self, store: Store) -> None:
        if (opened := self._opened) is None or not opened.conversation or not opened.message:
            return
        request = self._request
        seen = request.messages[: len(request.messages) - request.unseen]
        tokens = partial(tokens_after, request, self._before, "".join(self._answer))
        store(ConversationPosition(self._account, opened.conversation, opened.message), seen, tokens=tokens)
