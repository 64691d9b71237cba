"""The operator's side: what the dashboard, a script or a command may do with the accounts and the chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bridge.chat.operator_visit import Visit
from bridge.chat.types import Account


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of the bridge found; `ok` is None where something is not as usual and ends by itself."""

    name: str
    ok: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Archive:
    """Files in the ZIP format, and a name for them."""

    name: str
    data: bytes


class AccountControl(Protocol):
    """The operator's side of whatever answers chats.

    Methods that take the name of an account raise `UnknownAccount` where there is none, and another `BridgeError`
    where it cannot be done. Those that return an account return it as it stands afterwards.
    """

    def accounts(self) -> Sequence[Account]:
        """Return how the accounts stand."""
        ...

    async def check(self, name: str) -> Account:
        """Look again now: open a parked account at once, ask the page of an open one for a sign of life."""
        ...

    async def pause(self, name: str) -> Account:
        """Give the account no new chats until it is resumed, also after a restart; the running one goes on."""
        ...

    async def resume(self, name: str) -> Account:
        """Give a paused account chats again."""
        ...

    async def reopen(self, name: str) -> Account:
        """Close the account and open it again from its stored login.

        Where a chat runs it is done after that, and the account that is returned is still busy.
        """
        ...

    async def wake(self, name: str) -> Account:
        """Open a sleeping account now, also where more accounts are open than the settings allow."""
        ...

    async def sleep(self, name: str) -> Account:
        """Close the account's page until a chat needs the account; after the chat that runs."""
        ...

    async def renew(self, name: str) -> Account:
        """Put a new page in the place of the account's page; for a running chat see `reopen`."""
        ...

    async def add(self, name: str) -> Account:
        """Open the stored profile of that name now; an account that is there already takes up its new login."""
        ...

    async def remove(self, name: str) -> None:
        """End the account's running chat, close it, and delete its profile."""
        ...

    async def rename(self, name: str, to: str) -> Account:
        """Give the account and its profile another name; its conversations go on under that one."""
        ...

    async def bundle(self, name: str) -> Archive:
        """Write a diagnostic bundle of the account's open page, and return it."""
        ...

    async def thumbnail(self, name: str) -> bytes | None:
        """Return a small JPEG of the account's page, a few seconds old at most, or None where no page is open."""
        ...

    def hold(self, name: str) -> AbstractAsyncContextManager[Visit]:
        """Keep chats away from the account while a person is in its page, which is opened for that if need be.

        A running chat ends first; raises `AccountConflict` where another person is in the page.
        """
        ...

    def cancel(self, chat: str) -> bool:
        """End a waiting or running chat, and what the site generates for it; tell whether there was one of that id.

        Its client is told so by the error `ChatCancelled`.
        """
        ...


class LoginImport(Protocol):
    """Takes in logins that were made elsewhere: each is validated, tried on the site, and stored as a profile.

    All raise `RequestError` where what was given cannot be used, naming the field, and return what came of it. A stored
    profile becomes an account as soon as the pool is told (`AccountControl.add`), or looks for itself.
    """

    async def token(self, name: str, site: str, url: str | None, token: str) -> str:
        """Take in a userToken of the site."""
        ...

    async def storage_state(self, name: str, site: str, url: str | None, state: bytes | Mapping[str, object]) -> str:
        """Take in a storage state in Playwright's form; what is not the site's own is left out."""
        ...

    async def profile(self, name: str | None, sealed: bytes, key: str | None = None) -> str:
        """Take in a profile file of another machine, with the text of that one's key file unless it has our key.

        Without a `name` it keeps its own.
        """
        ...
