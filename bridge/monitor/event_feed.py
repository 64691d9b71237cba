"""Hands what happens to everybody who watches: encoded once for all of them, bounded for each.

Whoever reads too slowly loses what waits for them, and is given the whole state anew instead.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bridge.errors import RequestError
from bridge.sse import encode_sse

MOST_WATCHERS = 32
"""Those who watch at a time; one more takes the place of one who is stalled, or is refused."""
STALLED = 15.0
"""Seconds after which who has taken nothing may lose the place."""
MOST_FRAMES = 200
"""Frames that wait for one watcher."""
MOST_BYTES = 1024 * 1024
"""Bytes that wait for one watcher."""


class TooManyWatchers(RequestError):
    """As many watch as may, and each of them keeps up."""

    status = 429
    code = "too_many_watchers"


class Watcher:
    """One who watches; `whole` encodes all of the state as it is now."""

    def __init__(self, whole: Callable[[], bytes], cut: Callable[[], None]) -> None:
        self._whole = whole
        self._cut = cut
        self.asked = time.monotonic()
        """When it last asked for more; one whose client does not read asks no more."""
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._is_behind = True
        self._is_there = asyncio.Event()
        self._is_there.set()
        self.is_over = False
        """Whether nothing will come any more."""

    @property
    def waiting(self) -> int:
        """Return how many bytes wait."""
        return self._size

    def put(self, frame: bytes) -> None:
        """Let a frame wait, unless all of the state will come anyway."""
        if self._is_behind:
            return
        self._frames.append(frame)
        self._size += len(frame)
        if len(self._frames) > MOST_FRAMES or self._size > MOST_BYTES:
            self._drop()
            self._is_behind = True
        self._is_there.set()

    def end(self) -> None:
        """Let nothing come any more."""
        self.is_over = True
        self._is_there.set()

    def make_room(self) -> None:
        """Leave at once, also where the client does not read."""
        self.end()
        self._cut()

    async def next(self, limit: float) -> bytes:
        """Return all that waits, as soon as something does; nothing after `limit` seconds, or when it is over."""
        self.asked = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                await self._is_there.wait()
        except TimeoutError:
            return b""
        self._is_there.clear()
        if self._is_behind:
            self._is_behind = False
            self._drop()
            return self._whole()
        found = b"".join(self._frames)
        self._drop()
        return found

    def _drop(self) -> None:
        self._frames.clear()
        self._size = 0


class EventFeed:
    """Those who watch."""

    def __init__(self, whole: Callable[[], bytes]) -> None:
        self._whole = whole
        self._watchers: list[Watcher] = []
        self._is_over = False
        self.patience = STALLED
        self.watched = asyncio.Event()
        """Set while somebody watches."""

    @contextmanager
    def watcher(self, cut: Callable[[], None] = lambda: None) -> Iterator[Watcher]:
        """Watch while this is entered; the whole state comes first. `cut` ends it where others need the room.

        Raises `TooManyWatchers` where all places are taken by others who keep up.
        """
        if len(self._watchers) >= MOST_WATCHERS:
            self._make_room()
        watcher = Watcher(self._whole, cut)
        self._watchers.append(watcher)
        self.watched.set()
        if self._is_over:
            watcher.end()
        try:
            yield watcher
        finally:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
            if not self._watchers:
                self.watched.clear()

    def _make_room(self) -> None:
        last = min(self._watchers, key=lambda watcher: watcher.asked)
        if time.monotonic() - last.asked < self.patience:
            raise TooManyWatchers(
                f"{MOST_WATCHERS} dashboards and scripts follow this bridge, as many as may; close one of them."
            )
        self._watchers.remove(last)
        last.make_room()

    def put(self, frame: bytes) -> None:
        """Give everybody a frame."""
        for watcher in self._watchers:
            watcher.put(frame)

    def close(self) -> None:
        """Let nothing come any more to anybody."""
        self._is_over = True
        for watcher in self._watchers:
            watcher.end()


def frame(event: str, data: Any) -> bytes:
    """Return an event with `data` as JSON."""
    return encode_sse(encoded(data), event)


def encoded(data: Any) -> bytes:
    """Return `data` as JSON, whatever the text in it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
