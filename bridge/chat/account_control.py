"""The operator's interface: actions on accounts and chats for the dashboard, scripts and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bridge.chat.operator_visit import Visit
from bridge.chat.types import Account


@dataclass(frozen=True, slots=True)
class Finding:
    """A result of a check of the bridge; `ok` is None for a deviation that ends by itself."""

    name: str
    ok: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Archive:
    """Files in the ZIP format, and a name for them."""

    name: str
    data: bytes


class AccountControl(Protocol):
    """The operator's control of a chat backend.

    Methods that take the name of an account raise `UnknownAccount` if there is none, and another `BridgeError` if the
    action fails. Those that return an account return its state afterwards.
    """

    def accounts(self) -> Sequence[Account]:
        """Return the states of the accounts."""
        ...

    async def check(self, name: str) -> Account:
        """Check the account now: open a parked one at once, and ask the page of an open one for a sign of life."""
        ...

    async def pause(self, name: str) -> Account:
        """Give the account no new chats until it is resumed, even after a restart; its running chat continues."""
        ...

    async def resume(self, name: str) -> Account:
        """Give a paused account chats again."""
        ...

    async def reopen(self, name: str) -> Account:
        """Close the account and open it again from its stored login.

        A running chat ends first; the returned account is then still busy.
        """
        ...

    async def wake(self, name: str) -> Account:
        """Open a sleeping account now, even if more accounts are open than the settings allow."""
        ...

    async def sleep(self, name: str) -> Account:
        """Close the account's page, after its running chat, until a chat needs the account."""
        ...

    async def renew(self, name: str) -> Account:
        """Replace the account's page by a new one; for a running chat see `reopen`."""
        ...

    async def add(self, name: str) -> Account:
        """Open the stored profile of that name now; an existing account takes over its new login."""
        ...

    async def remove(self, name: str) -> None:
        """End the account's running chat, close it, and delete its profile."""
        ...

    async def rename(self, name: str, to: str) -> Account:
        """Rename the account and its profile; its conversations continue under the new name."""
        ...

    async def bundle(self, name: str) -> Archive:
        """Write a diagnostic bundle of the account's open page, and return it."""
        ...

    async def thumbnail(self, name: str) -> bytes | None:
        """Return a small JPEG of the account's page, at most a few seconds old, or None if no page is open."""
        ...

    def hold(self, name: str) -> AbstractAsyncContextManager[Visit]:
        """Hold the account back from chats while a person uses its page, which is opened if necessary.

        A running chat ends first. Raise `AccountConflict` if another person uses the page.
        """
        ...

    def cancel(self, chat: str) -> bool:
        """Cancel a waiting or running chat and its generation on the site; tell whether there was one of that id.

        Its client gets the error `ChatCancelled`.
        """
        ...


class LoginImport(Protocol):
    """An import of logins from elsewhere: each is validated, tried on the site, and stored as a profile.

    All methods return a description of the result, and raise `RequestError`, naming the field, for unusable input. A
    stored profile becomes an account by `AccountControl.add`, or when the pool finds it by itself.
    """

    async def token(self, name: str, site: str, url: str | None, token: str) -> str:
        """Import a userToken of the site."""
        ...

    async def storage_state(self, name: str, site: str, url: str | None, state: bytes | Mapping[str, object]) -> str:
        """Import a storage state in Playwright's format; data of other sites is dropped."""
        ...

    async def profile(self, name: str | None, sealed: bytes, key: str | None = None) -> str:
        """Import a profile file of another machine; without a `name` the profile keeps its own.

        `key` is the text of that machine's key file, unless both machines have the same key.
        """
        ...
