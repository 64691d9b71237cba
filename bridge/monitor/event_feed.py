"""Sends events to all watchers: encoded once for all, with a bounded queue for each.

A watcher that reads too slowly loses its queue and gets the whole state instead, so it is up to date after one frame.
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
"""Most watchers at a time; a further one replaces a stalled one, or is refused."""
STALLED = 15.0
"""Seconds without a read after which a watcher may lose its place."""
MOST_FRAMES = 200
"""Most frames in the queue of one watcher."""
MOST_BYTES = 1024 * 1024
"""Most bytes in the queue of one watcher; with `MOST_WATCHERS` this bounds the memory of all queues."""


class TooManyWatchers(RequestError):
    """All places for watchers are taken, and no watcher is stalled."""

    status = 429
    code = "too_many_watchers"


class Watcher:
    """The queue of one connection; `whole` encodes the current state, and `cut` closes the connection."""

    def __init__(self, whole: Callable[[], bytes], cut: Callable[[], None]) -> None:
        self._whole = whole
        self._cut = cut
        self.asked = time.monotonic()
        """Monotonic time of the last call of `next`; a connection whose client does not read is stuck in its write."""
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._is_behind = True
        self._is_there = asyncio.Event()
        self._is_there.set()
        self.is_over = False
        """Whether the feed has ended for this watcher."""

    @property
    def waiting(self) -> int:
        """Return the bytes in the queue."""
        return self._size

    def put(self, frame: bytes) -> None:
        """Queue a frame; if the queue exceeds its bounds, drop it and send the whole state next."""
        if self._is_behind:
            return  # the whole state comes next, and is newer than this frame
        self._frames.append(frame)
        self._size += len(frame)
        if len(self._frames) > MOST_FRAMES or self._size > MOST_BYTES:
            self._drop()
            self._is_behind = True
        self._is_there.set()

    def end(self) -> None:
        """End the feed for this watcher."""
        self.is_over = True
        self._is_there.set()

    def make_room(self) -> None:
        """End the feed and close the connection, even if the client does not read."""
        self.end()
        self._cut()

    async def next(self, limit: float) -> bytes:
        """Wait for frames and return all that are queued; return empty bytes after `limit` seconds or at the end."""
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
    """The watchers of the bridge's state."""

    def __init__(self, whole: Callable[[], bytes]) -> None:
        self._whole = whole
        self._watchers: list[Watcher] = []
        self._is_over = False
        self.patience = STALLED
        self.watched = asyncio.Event()
        """Set while there is a watcher; nothing is encoded without one."""

    @contextmanager
    def watcher(self, cut: Callable[[], None] = lambda: None) -> Iterator[Watcher]:
        """Add a watcher within the context; it gets the whole state first. `cut` must close its connection.

        Raises `TooManyWatchers` if all places are taken by watchers that keep up.
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
                f"{MOST_WATCHERS} dashboards and scripts follow this bridge, which is the limit; close one of them."
            )
        self._watchers.remove(last)
        last.make_room()

    def put(self, frame: bytes) -> None:
        """Queue a frame for all watchers."""
        for watcher in self._watchers:
            watcher.put(frame)

    def close(self) -> None:
        """End the feed for all watchers, present and future."""
        self._is_over = True
        for watcher in self._watchers:
            watcher.end()


def frame(event: str, data: Any) -> bytes:
    """Return an event with `data` as JSON."""
    return encode_sse(encoded(data), event)


def encoded(data: Any) -> bytes:
    """Return `data` as JSON; a lone surrogate in a text becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
