"""Counts the chats of this node's clients on all nodes, so that a stopping node can wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class RunningChats:
    """The number of running chats."""

    def __init__(self) -> None:
        self._number = 0
        self._ended = asyncio.Event()
        self._ended.set()
        self._is_hurried = False
        self._patience: asyncio.Timeout | None = None

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a chat while the context is open."""
        self._number += 1
        self._ended.clear()
        try:
            yield
        finally:
            self._number -= 1
            if not self._number:
                self._ended.set()

    async def ended(self, limit: float) -> bool:
        """Wait until no chat runs, for at most `limit` seconds; tell whether none runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self._is_hurried else limit) as self._patience:
                await self._ended.wait()
        self._patience = None
        return self._ended.is_set()

    def hurry(self) -> bool:
        """End the wait of `ended`; tell whether that changes anything."""
        changes = not self._is_hurried and not self._ended.is_set()
        self._is_hurried = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())
        return changes
