"""Conversations in which the site may still generate, stored on disk so that a start after a crash can stop them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from loguru import logger
from pydantic import TypeAdapter

from bridge.storage.atomic import write_file
from bridge.storage.state_file import read_state

_FORM = TypeAdapter(list[str])


def unfinished_chats_file(config: Path, account: str) -> Path:
    """Return the path of an account's file."""
    return config / "unsettled" / f"{account}.json"


class UnfinishedChats:
    """The conversations of one account whose last answer has not ended, stored in the file `path`, if any.

    A conversation is added once the site has opened it for a turn, and removed once its answer has ended. After a
    crash, the next start stops the remaining ones. `on_change` is called after each change.
    """

    def __init__(self, path: Path | None, on_change: Callable[[Sequence[str]], None] = lambda _: None) -> None:
        self._path = path
        self._on_change = on_change
        self._open: list[str] = []
        self._lock = asyncio.Lock()
        """Orders the writes: the last one to start must also be the last on disk."""

    async def load(self, left: Sequence[str] = ()) -> list[str]:
        """Return the ids of the conversations, those of an earlier run first; `left` are those of another node."""
        found = await asyncio.to_thread(self._read)
        self._open = list(dict.fromkeys([*found, *left, *self._open]))
        self._on_change(self._open)
        return list(self._open)

    async def add(self, conversation: str) -> None:
        """Add a conversation in which the site generates."""
        self._open.append(conversation)
        await self._save()

    async def remove(self, conversation: str) -> None:
        """Remove a conversation in which the site no longer generates."""
        self._open = [one for one in self._open if one != conversation]
        await self._save()

    async def _save(self) -> None:
        self._on_change(self._open)
        async with self._lock:
            try:
                await asyncio.to_thread(self._write, json.dumps(self._open).encode())
            except OSError as error:
                logger.warning("Cannot save the list of unfinished answers: {}", error)

    def _write(self, content: bytes) -> None:
        if self._path is not None:
            write_file(self._path, content)

    def _read(self) -> list[str]:
        return read_state(self._path, _FORM, []) if self._path is not None else []
