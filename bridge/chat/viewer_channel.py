"""One viewer's connection to a live view: its outgoing frames and its incoming messages."""

from __future__ import annotations

from typing import Protocol

LARGEST_MESSAGE = 512 * 1024
"""Most bytes of one message of a viewer; a file comes in several."""


class ViewerChannel(Protocol):
    """The channel of a viewer's connection, whichever node has the page."""

    async def next(self) -> bytes | str:
        """Wait for and return the next message to send: a frame as bytes, anything else as JSON.

        Raise `ViewerRefused` when the connection must be closed, `ViewerMoved` when it should be reopened.
        """
        ...

    async def receive(self, message: str) -> None:
        """Process a message, JSON as in `viewer_messages`; raise `ViewerRefused` if it is invalid, or too many came."""
        ...

    async def receive_file(self, piece: bytes) -> None:
        """Process the next bytes of the files that the page asked for."""
        ...


class ViewerRefused(Exception):
    """The viewer's connection must be closed; the text is the reason."""


class ViewerMoved(Exception):
    """The page has moved or is moving, so the viewer must reconnect; the text is the reason."""
