"""The usage of keys, written in a thread: only reads wait for the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bridge.background import Background
from bridge.durations import DAY
from bridge.errors import StorageError
from bridge.storage.usage_file import By, ChatUsage, UsageFile

DISK_LIMIT = 10.0
"""Seconds that a read of the usage waits for the disk."""

T = TypeVar("T")


class UsageRecord:
    """The usage records; a read sees all earlier writes."""

    def __init__(self, path: Path, max_age: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._file = UsageFile(path, max_age, clock)
        self._thread = Background("the usage of keys")
        self._clock = clock

    def add(self, one: ChatUsage) -> None:
        """Add the usage of a chat, without waiting for the disk."""
        self._thread.start(self._file.add, one)

    async def totals(self, since: float, by: Sequence[By]) -> list[dict[str, Any]]:
        """Return sums; see `UsageFile.totals`."""
        return await self._run(self._file.totals, since, by)

    async def last_day(self) -> list[tuple[int, str, int, int]]:
        """Return the usage per minute and key of the last 24 hours; see `UsageFile.by_minute`."""
        return await self._run(self._file.by_minute, self._clock() - DAY)

    async def close(self) -> None:
        """Finish the queued writes, and close the file."""
        self._thread.start(self._file.close)
        await self._thread.close()

    async def _run(self, work: Callable[..., T], *given: object) -> T:
        try:
            return await self._thread.run(DISK_LIMIT, work, *given)
        except (sqlite3.Error, OSError) as error:
            message = f"Cannot read the usage of keys in {self._path}: {error}. Remove it to start over."
            raise StorageError(message) from error
