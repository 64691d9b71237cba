"""The times at which each account sent prompts in the last day, stored across restarts, for the quotas."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loguru import logger
from pydantic import TypeAdapter

from bridge.background import Background
from bridge.durations import DAY
from bridge.storage.atomic import write_file
from bridge.storage.state_file import read_state

MOST = 10_000
"""Most sends of an account that are kept, the latest ones."""

DISK_LIMIT = 5.0
"""Seconds that the start waits for the file."""
_FORM = TypeAdapter(dict[str, list[float]])


class SendLog:
    """The file `sends.json` in the config folder: Unix times of sends by account, oldest first; `now` is the clock.

    Adding a send does not wait for the disk, whose failure is only logged.
    """

    def __init__(self, config: Path, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._path = config / "sends.json"
        self._sends: dict[str, deque[float]] = {}
        self._thread = Background("the sends of accounts")
        self._unwritten: Mapping[str, Sequence[float]] | None = None

    async def open(self) -> None:
        """Read the file."""
        try:
            kept = await self._thread.run(DISK_LIMIT, self._read)
        except TimeoutError:
            logger.warning("Cannot read when accounts last sent: the disk does not respond")
            return
        for name, times in kept.items():
            self.of(name).extendleft(reversed(times))

    def of(self, name: str) -> deque[float]:
        """Return the account's sends, the same object each time, in which later sends appear."""
        return self._sends.setdefault(name, deque(maxlen=MOST))

    def add(self, name: str, moment: float) -> None:
        """Add a send."""
        self.of(name).append(moment)
        self._save()

    def rename(self, name: str, to: str) -> None:
        """Move the sends of an account to its new name."""
        self._sends[to] = self._sends.pop(name, deque(maxlen=MOST))
        self._save()

    def forget(self, name: str) -> None:
        """Drop a removed account, unless its sends still count: it may be added again within a day."""
        begin = self.now() - DAY
        if all(sent <= begin for sent in self._sends.get(name, ())):
            self._sends.pop(name, None)

    async def close(self) -> None:
        """Wait until everything is written."""
        await self._thread.close()

    def _save(self) -> None:
        self._unwritten = self._recent()
        self._thread.start(self._write)

    def _recent(self) -> dict[str, list[float]]:
        begin = self.now() - DAY
        recent = {name: [round(sent, 3) for sent in sends if sent > begin] for name, sends in self._sends.items()}
        return {name: sends for name, sends in recent.items() if sends}

    def _read(self) -> Mapping[str, Sequence[float]]:
        return read_state(self._path, _FORM, {})

    def _write(self) -> None:
        """Write the newest times; the first of several queued writes does the work of all."""
        newest, self._unwritten = self._unwritten, None
        if newest is not None:
            write_file(self._path, json.dumps(newest).encode())
