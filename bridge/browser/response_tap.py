"""Puts the bytes of one response in order and counts them; no I/O.

Three sources overlap: the bytes that Chromium had before the tap was armed, the events since, and the whole body at the
end. Events arrive before the answer of the command that armed the tap, so they are kept (`_early`) until `arm` or
`give_up`. After an event without its data (a hole) no later data is handed over: it would stand in the wrong place.
At all times `_given` bytes were handed over, a prefix of the `_length` bytes that Chromium has counted.
"""

from __future__ import annotations

from bridge.browser.exchange import Chunk, Exchange, Part
from bridge.errors import SiteError


class Tap:
    """Hands the bytes of one response to the exchange; a response of more than `most` bytes ends the turn."""

    def __init__(self, exchange: Exchange, path: str, most: int) -> None:
        self.failure: str | None = None
        """Why the response was not read, where the interceptor failed it."""
        self._exchange = exchange
        self._path = path
        self._most = most
        self._is_over = False
        self._early: list[tuple[int, bytes | None]] | None = []
        self._length = 0
        self._given = 0
        self._has_hole = False

    @property
    def is_complete(self) -> bool:
        """Tell whether every byte that Chromium counted was handed over."""
        return self._is_over or (self._early is None and not self._has_hole and self._given == self._length)

    @property
    def is_short(self) -> bool:
        """Tell whether fewer bytes were handed over than Chromium counted."""
        return self._given < self._length

    def put(self, part: Part) -> None:
        """Hand over a part."""
        self._exchange.put(self._path, part)

    def arm(self, buffered: bytes) -> None:
        """Take the bytes that were there before the tap, then those that came while it was being armed."""
        early, self._early = self._early or [], None
        self._length += len(buffered)
        self._give(buffered)
        for length, data in early:
            self.take(length, data)

    def give_up(self) -> None:
        """Wait for the whole body: the tap could not be armed."""
        self._early, self._has_hole = None, True

    def take(self, length: int, data: bytes | None) -> None:
        """Count `length` bytes and hand them over; after a hole everything waits for the whole body."""
        if self._early is not None:
            self._early.append((length, data))
            return
        self._length += length
        if self._is_over or self._length > self._most:
            self._overflow()
            return
        self._has_hole = self._has_hole or (data is None and length > 0)
        if self._has_hole:
            self.put(Chunk(b""))  # nothing to read yet, but a sign of life
        elif data:
            self._give(data)

    def fill(self, body: bytes) -> None:
        """Hand over what is missing, out of the whole body."""
        self._give(body[self._given :])

    def _overflow(self) -> None:
        """Read no further: what has no end would fill the memory."""
        if not self._is_over:
            self._is_over = True
            self._exchange.interrupt(
                SiteError(f"The site's answer has more than {self._most} bytes; it was not read on.")
            )

    def _give(self, data: bytes) -> None:
        if data:
            self._given += len(data)
            self.put(Chunk(data))
