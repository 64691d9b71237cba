"""The last entries of the log, for the dashboard: bounded in number and length, and printable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from loguru import logger

from bridge.log import at_level
from bridge.printable import as_text

if TYPE_CHECKING:
    from loguru import Message

    from bridge.settings import LogSettings

MOST_LINES = 1000
LONGEST = 2000
"""Most characters of a line that are kept."""
LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the log; `number` counts up."""

    number: int
    at: datetime
    level: str
    text: str


class LogTail:
    """The last entries of the log; loguru adds them from any thread, hence the lock."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._lock = Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """Return the number of entries so far."""
        return self._count

    @contextmanager
    def listening(self, settings: LogSettings) -> Iterator[None]:
        """Collect the entries of the settings' level and above within the context."""
        sink = logger.add(
            self._write, level=0, filter=at_level(settings), format="{message}", diagnose=False, backtrace=False
        )
        try:
            yield
        finally:
            with suppress(ValueError):  # the log was set up again in the meantime, which removed the sink
                logger.remove(sink)

    def after(self, number: int) -> list[Line]:
        """Return the kept entries after that number, the oldest first."""
        with self._lock:
            new = min(self._count - number, len(self._lines))
            return list(islice(self._lines, len(self._lines) - new, None)) if new > 0 else []

    def search(self, level: str, text: str, limit: int) -> list[Line]:
        """Return the last `limit` entries of at least that level that contain `text`, the oldest first."""
        wanted = frozenset(LEVELS[LEVELS.index(level) :]) | {"CRITICAL"}
        found: deque[Line] = deque(maxlen=limit)
        found.extend(line for line in self.after(0) if line.level in wanted and text.casefold() in line.text.casefold())
        return list(found)

    def _write(self, message: Message) -> None:
        record = message.record
        text = as_text(record["message"][:LONGEST])
        if (caught := record["exception"]) is not None and caught.type is not None:
            text += f" ({caught.type.__name__})"
        with self._lock:
            self._count += 1
            self._lines.append(Line(self._count, record["time"], record["level"].name, text))
