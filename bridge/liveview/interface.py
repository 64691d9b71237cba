"""The contract with the HTTP side: views, logins and the learning of sites, without Playwright and without HTTP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from bridge.chat.viewer_channel import ViewerChannel

LoginState = Literal["waiting", "captured", "failed", "expired"]
LearningState = Literal["opening", "waiting", "chatting", "proving", "learned", "unproven", "failed"]


@dataclass(frozen=True, slots=True)
class Login:
    """The state of a remote login, and what it says to the person."""

    id: str
    name: str
    state: LoginState
    message: str


@dataclass(frozen=True, slots=True)
class LearnedField:
    """A field of a site file; `certainty` is `certain`, `guessed` or `needs you`, and `why` says what it is from."""

    field: str
    certainty: str
    why: str


@dataclass(frozen=True, slots=True)
class ProofChat:
    """A chat that a site file was proven by; `failure` is empty where it went well."""

    name: str
    failure: str


@dataclass(frozen=True, slots=True)
class Learning:
    """The state of the learning of a site, and what it says to the person.

    `prompt` is to be sent by the person, and empty where nothing is; `file` is empty until the site file is written.
    """

    id: str
    name: str
    url: str
    state: LearningState
    message: str
    prompt: str = ""
    fields: tuple[LearnedField, ...] = ()
    proofs: tuple[ProofChat, ...] = ()
    file: str = ""


class SiteLearnings(Protocol):
    """The learning of sites: one that goes on at most, and those that ended in the last minutes."""

    async def begin(self, url: str, name: str | None) -> Learning:
        """Open the page of a site for a person; without a name, the site is called after its address.

        Raises a `BridgeError` where the address or the name is bad, or another site is being learned.
        """
        ...

    def all(self) -> list[Learning]:
        """Return them, the newest last."""
        ...

    def one(self, id: str) -> Learning:  # noqa: A002
        """Return one; raises `UnknownAccount`."""
        ...

    def send(self, id: str) -> Learning:  # noqa: A002
        """Have the bridge send the prompt in the person's place; raises `UnknownAccount`, or `AccountConflict`."""
        ...

    async def site_file(self, id: str) -> bytes:  # noqa: A002
        """Return the file that was written; raises `UnknownAccount` where there is none."""
        ...

    async def give_up(self, id: str) -> Learning:  # noqa: A002
        """End the learning, whatever it does; raises `UnknownAccount`."""
        ...


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

    @property
    def learnings(self) -> SiteLearnings:
        """Return the sites that are being learned."""
        ...

    def of_learning(self, id: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:  # noqa: A002
        """Connect to the view of a site that is learned; raises `UnknownAccount`."""
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
