"""The contract with the HTTP side: views, logins and site learning, without Playwright and without HTTP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from bridge.chat.viewer_channel import ViewerChannel

LoginState = Literal["waiting", "captured", "failed", "expired"]
LearningState = Literal["opening", "waiting", "chatting", "proving", "learned", "unproven", "failed"]


@dataclass(frozen=True, slots=True)
class Login:
    """The state of a remote login, and the message for the person."""

    id: str
    name: str
    state: LoginState
    message: str


@dataclass(frozen=True, slots=True)
class LearnedField:
    """A field of a site file; `certainty` is `certain`, `guessed` or `needs you`, and `why` names its evidence."""

    field: str
    certainty: str
    why: str


@dataclass(frozen=True, slots=True)
class ProofChat:
    """A test chat of a site file; `failure` is empty if it succeeded."""

    name: str
    failure: str


@dataclass(frozen=True, slots=True)
class Learning:
    """The state of site learning, and the message for the person.

    `prompt` is the prompt that the person must send, or empty; `file` is empty until the site file is written.
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
    """Site learnings: at most one that runs, and those that ended within the last hour."""

    async def begin(self, url: str, name: str | None) -> Learning:
        """Open the page of a site for a person; without a name, the site is named after its address.

        Raises a `BridgeError` if the address or the name is bad, or another site is being learned.
        """
        ...

    def all(self) -> list[Learning]:
        """Return all learnings, the newest last."""
        ...

    def one(self, id: str) -> Learning:  # noqa: A002
        """Return a learning; raises `UnknownAccount`."""
        ...

    def send(self, id: str) -> Learning:  # noqa: A002
        """Let the bridge send the prompt instead of the person; raises `UnknownAccount` or `AccountConflict`."""
        ...

    async def site_file(self, id: str) -> bytes:  # noqa: A002
        """Return the content of the written site file; raises `UnknownAccount` if there is none."""
        ...

    async def give_up(self, id: str) -> Learning:  # noqa: A002
        """Cancel the learning; raises `UnknownAccount`."""
        ...


class LiveViews(Protocol):
    """All live views and remote logins of the bridge.

    A `viewer` is a name that an operator's page generates: a page that reconnects with the same name within
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
        """Return the site learnings."""
        ...

    def of_learning(self, id: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:  # noqa: A002
        """Connect to the view of a site learning; raises `UnknownAccount`."""
        ...

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Begin a remote login: open the sign-in page for a person; `keep_browser` keeps its browser's folder.

        Raises a `BridgeError` if the name, site or address is bad, or too many logins are open.
        """
        ...

    def login(self, id: str) -> Login:  # noqa: A002
        """Return the state of a remote login; raises `UnknownAccount`."""
        ...

    def logins(self) -> list[Login]:
        """Return the remote logins that are open, and those that ended in the last minutes."""
        ...

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """Cancel a remote login, and store nothing; raises `UnknownAccount`."""
        ...
