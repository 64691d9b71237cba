"""Reads and writes frames of the Connect protocol: a byte of flags, the length in four bytes, then the payload."""

from __future__ import annotations

from typing import NamedTuple

from bridge.errors import SiteChanged

COMPRESSED = 1
END_OF_STREAM = 2
LONGEST_FRAME = 1 << 24
"""The longest payload of a frame, in bytes; a greater length means that the data is not frames."""
_HEAD = 5


class ConnectFrame(NamedTuple):
    """One frame; with the flag `END_OF_STREAM` its payload says how the stream ended."""

    flags: int
    payload: bytes


class ConnectReader:
    """A parser that turns bytes, split anywhere, into frames, in time linear in their number.

    It returns the frames before an invalid or unreadable one first, then raises `SiteChanged`.
    """

    def __init__(self) -> None:
        self._failure: SiteChanged | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._needed = _HEAD

    def feed(self, data: bytes) -> list[ConnectFrame]:
        """Parse the next bytes and return the frames that they complete."""
        self._pieces.append(data)
        self._size += len(data)
        frames = self._cut() if self._size >= self._needed and not self._failure else []
        if self._failure and not frames:
            raise self._failure
        return frames

    def _cut(self) -> list[ConnectFrame]:
        """Return the complete frames and keep the rest."""
        buffer = b"".join(self._pieces)
        frames: list[ConnectFrame] = []
        at = 0
        try:
            while (needed := _needed(buffer, at)) <= len(buffer) - at:
                frames.append(ConnectFrame(buffer[at], buffer[at + _HEAD : at + needed]))
                at += needed
            self._needed = needed
        except SiteChanged as failure:
            self._failure = failure
        rest = buffer[at:]
        self._pieces, self._size = [rest], len(rest)
        return frames

    def end(self) -> None:
        """End the stream; raise the error found after the last returned frame, if any."""
        if self._failure:
            raise self._failure


def _needed(buffer: bytes, at: int) -> int:
    """Return the size in bytes of the frame at a position; the size of a head while that is incomplete."""
    if len(buffer) - at < _HEAD:
        return _HEAD
    flags, length = buffer[at], int.from_bytes(buffer[at + 1 : at + _HEAD], "big")
    if flags & COMPRESSED:
        raise SiteChanged("A frame of the site's stream is compressed, and the bridge cannot read compressed frames.")
    if flags & ~END_OF_STREAM or length > LONGEST_FRAME:
        raise SiteChanged("The site's stream has no frames of the Connect protocol.")
    return _HEAD + length


def connect_frame(payload: bytes, flags: int = 0) -> bytes:
    """Write one frame."""
    return bytes((flags,)) + len(payload).to_bytes(4, "big") + payload
