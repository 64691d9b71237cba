"""One viewer's connection to a live view: what is sent over it, and what takes the messages that come over it."""

from __future__ import annotations

from typing import Protocol

LARGEST_MESSAGE = 512 * 1024
"""Bytes of one message of a viewer; a file comes in several."""


class ViewerChannel(Protocol):
    """What a viewer's connection calls, whichever node has the page."""

    async def next(self) -> bytes | str:
        """Return what to send next, as soon as there is something: a frame as bytes, all else as JSON.

        Raises `ViewerRefused` when the HTTP side must close the connection, `ViewerMoved` when it shall be reopened.
        """
        ...

    async def receive(self, message: str) -> None:
        """Take a message, JSON as in `viewer_messages`; raise `ViewerRefused` where it is bad, or too many came."""
        ...

    async def receive_file(self, piece: bytes) -> None:
        """Take the next bytes of the files that the page asked for."""
        ...


class ViewerRefused(Exception):
    """Closes a viewer's connection; its text is the reason."""


class ViewerMoved(Exception):
    """Closes a viewer's connection to a page that is elsewhere now, or will be; its text says what has happened."""
