"""The seam to the HTTP side: what a connection of a viewer asks of the live views, in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

LARGEST_MESSAGE = 512 * 1024
"""Bytes of one message of a viewer; a file comes in several."""
LoginState = Literal["waiting", "captured", "failed", "expired"]


class Viewer(Protocol):
    """One connection: what is to be sent to it, and where what it sends goes."""

    async def next(self) -> bytes | str:
        """Return what to send next, as soon as there is something: a picture as bytes, all else as JSON.

        Raises `ViewerRefused` when the connection is to be closed.
        """
        ...

    def receive(self, message: str) -> None:
        """Take a message; raise `ViewerRefused` where it is none, or too many came."""
        ...

    def receive_file(self, piece: bytes) -> None:
        """Take the next piece of the files that the page asked for."""
        ...


class ViewerRefused(Exception):
    """The connection is to be closed, for the reason that is its text."""


@dataclass(frozen=True, slots=True)
class Login:
    """How a remote login stands."""

    id: str
    name: str
    state: LoginState
    message: str


class LiveViews(Protocol):
    """All live views and remote logins of the bridge.

    A `viewer` is a name that one page of an operator has given itself: whoever connects with it again after a
    short break has the controls as before.
    """

    def of_account(self, name: str, viewer: str) -> AbstractAsyncContextManager[Viewer]:
        """Connect to the view of an account's page; raises `UnknownAccount`."""
        ...

    def of_login(self, id: str, viewer: str) -> AbstractAsyncContextManager[Viewer]:  # noqa: A002
        """Connect to the view of a remote login; raises `UnknownAccount`."""
        ...

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Begin a remote login: open the sign-in page for a person; keep its browser's own folder if told so.

        Raises a `BridgeError` where the name, site or address cannot be, or too many logins are open.
        """
        ...

    def login(self, id: str) -> Login:  # noqa: A002
        """Return how a remote login stands; raises `UnknownAccount`."""
        ...

    def logins(self) -> list[Login]:
        """Return the remote logins that are open, and those that ended lately."""
        ...

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """End a remote login, and store nothing of it; raises `UnknownAccount`."""
        ...


Unsubscribe = Callable[[], None]
