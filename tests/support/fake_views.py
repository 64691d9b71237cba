"""Live views without any account or login to view."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from bridge.chat.viewer_channel import ViewerChannel
from bridge.errors import UnknownAccount
from bridge.liveview.interface import Learning, Login


class _Nothing(AbstractAsyncContextManager[ViewerChannel]):
    async def __aenter__(self) -> ViewerChannel:
        raise UnknownAccount("There is nothing of that name to look at.")

    async def __aexit__(self, *_: object) -> None:
        return None


class FakeLearnings:
    """Learns nothing."""

    async def begin(self, url: str, name: str | None) -> Learning:
        """Raise: there is no such site."""
        raise UnknownAccount(f"There is no site {url!r} here.")

    def all(self) -> list[Learning]:
        """Return none."""
        return []

    def one(self, id: str) -> Learning:  # noqa: A002
        """Raise: there is no such learning."""
        raise UnknownAccount("There is no such learning.")

    send = one

    async def site_file(self, id: str) -> bytes:  # noqa: A002
        """Raise: there is no such learning."""
        raise UnknownAccount("There is no such learning.")

    async def give_up(self, id: str) -> Learning:  # noqa: A002
        """Raise: there is no such learning."""
        raise UnknownAccount("There is no such learning.")


class FakeViews:
    """Has no account, login or learning."""

    learnings = FakeLearnings()

    def of_learning(self, id: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:  # noqa: A002
        """Raise: there is no such learning."""
        return _Nothing()

    def of_account(self, name: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:
        """Raise: there is no such account."""
        return _Nothing()

    def of_login(self, id: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel]:  # noqa: A002
        """Raise: there is no such login."""
        return _Nothing()

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Raise: there is no such site."""
        raise UnknownAccount(f"There is no site {site!r} here.")

    def login(self, id: str) -> Login:  # noqa: A002
        """Raise: there is no such login."""
        raise UnknownAccount("There is no such login.")

    def logins(self) -> list[Login]:
        """Return none."""
        return []

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """Raise: there is no such login."""
        raise UnknownAccount("There is no such login.")
