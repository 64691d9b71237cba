"""The contract with the HTTP side: what a viewer's connection calls, without Playwright and without HTTP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

LARGEST_MESSAGE = 512 * 1024
"""Bytes of one message of a viewer; a file comes in several."""
LoginState = Literal["waiting", "captured", "failed", "expired"]


class ViewerChannel(Protocol):
    """One viewer's connection: what to send over it, and what takes the messages that come over it."""

    async def next(self) -> bytes | str:
        """Return what to send next, as soon as there is something: a frame as bytes, all else as JSON.

        Raises `ViewerRefused` when the HTTP side must close the connection.
        """
        ...

    def receive(self, message: str) -> None:
        """Take a message, JSON as in `viewer_messages`; raise `ViewerRefused` where it is bad, or too many came."""
        ...

    def receive_file(self, piece: bytes) -> None:
        """Take the next bytes of the files that the page asked for."""
        ...


class ViewerRefused(Exception):
    """Closes a viewer's connection; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Login:
    """The state of a remote login, and what it says to the person."""

    id: str
    name: str
    state: LoginState
    message: str


class LiveViews(Protocol):
    """All live views and remote logins of the bridge.

    A `viewer` is a name that an operator's page makes up for itself: a page that reconnects by the same name within
    a few seconds keeps the controls.
    """

    def of_account(self, name: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:
        """Connect to the view of an account's page; raises `UnknownAccount`."""
        ...

    def of_login(self, id: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:  # noqa: A002
        """Connect to the view of a remote login; raises `UnknownAccount`."""
        ...

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Begin a remote login: open the sign-in page for a person; with `keep_browser`, keep its browser's folder.

        Raises a `BridgeError` where the name, site or address is bad, or too many logins are open.
        """
        ...

    def login(self, id: str) -> Login:  # noqa: A002
        """Return the state of a remote login; raises `UnknownAccount`."""
        ...

    def logins(self) -> list[Login]:
        """Return the remote logins that are open, and those that ended in the last minutes."""
        ...

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """End a remote login, and store nothing of it; raises `UnknownAccount`."""
        ...
