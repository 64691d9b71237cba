"""All live views and remote logins of a bridge; implements `interface.LiveViews`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from bridge.browser.browser import Chromium
from bridge.chat.viewer_channel import ViewerChannel, ViewerMoved, ViewerRefused
from bridge.errors import AccountConflict, PoolError, RequestError, SetupError, UnknownAccount
from bridge.liveview.account_target import AccountTarget
from bridge.liveview.interface import Login
from bridge.liveview.learning_registry import LearningRegistry
from bridge.liveview.remote_login import RemoteLogin
from bridge.liveview.view import IDLE, View
from bridge.liveview.view_target import ViewTarget
from bridge.liveview.viewer import Viewer
from bridge.login.interactive_login import profile_for
from bridge.pool.pool import Pool
from bridge.settings import PageSettings
from bridge.storage.profiles import Profile, ProfileStore
from bridge.tasks import Tasks
from bridge.telemetry import AccountHeld, AccountRenamed, ChatEnded, ChatStarted, Fact, PageShown, WorkerChanged

MOST_LOGINS = 3
"""Most remote logins at a time."""
KEPT = 600.0
"""Seconds for which a login that has ended can still be looked up."""
STOPPED = "The bridge is stopping."


class ElsewhereViews(Protocol):
    """The views of pages on other nodes."""

    def knows(self, name: str) -> bool:
        """Tell whether an account is one of the cluster's."""
        ...

    def view(self, name: str, viewer: str) -> AbstractAsyncContextManager[ViewerChannel] | None:
        """Connect to the view of an account on another node; None if the account is here or unknown."""
        ...


class ViewRegistry:
    """Opens a view for its first viewer, and closes it after its last; `serve` adds a new account to the pool."""

    def __init__(
        self,
        pool: Pool,
        chromium: Chromium,
        settings: PageSettings,
        store: ProfileStore,
        serve: Callable[[str], Awaitable[object]],
    ) -> None:
        self._pool = pool
        self._chromium = chromium
        self._settings = settings
        self._store = store
        self._serve = serve
        self._views: dict[str, View] = {}
        self._logins: dict[str, RemoteLogin] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks()
        self._is_closed = False
        self.learnings = LearningRegistry(chromium, settings, lambda one: self._changed(f"learning {one}"))
        self.elsewhere: ElsewhereViews | None = None
        """The views of other nodes; None without a cluster."""
        self.idle = IDLE
        """Seconds without input after which the controls are released, in views opened from now on."""

    def on_fact(self, fact: Fact) -> None:
        """Update the view of the account that a fact is about; a sink of `Telemetry`."""
        match fact:
            case AccountRenamed():
                self._follow(fact.before, fact.account)
            case WorkerChanged() | AccountHeld() | PageShown() | ChatStarted() | ChatEnded():
                self._changed(f"account {fact.account}")

    @asynccontextmanager
    async def of_account(self, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
        """Connect to the view of an account, on whichever node it is; see `LiveViews`."""
        if self.elsewhere is not None and (view := self.elsewhere.view(name, viewer)) is not None:
            async with view as remote:
                yield remote
        else:
            async with self.of_own_account(name, viewer) as channel:
                yield channel

    @asynccontextmanager
    async def of_own_account(self, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
        """Connect to the view of an account that this bridge drives; raises `UnknownAccount`."""
        self._check_open()
        if self._pool.worker(name) is None:
            raise UnknownAccount(f"There is no account {name!r} here.")
        may_move = self.elsewhere.knows if self.elsewhere is not None else lambda _: False
        async with self._joined(f"account {name}", AccountTarget(self._pool, name, may_move), viewer) as channel:
            yield channel

    @asynccontextmanager
    async def of_login(self, id: str, viewer: str) -> AsyncGenerator[Viewer]:  # noqa: A002
        """Connect to the view of a remote login; see `LiveViews`."""
        self._check_open()
        async with self._joined(f"login {id}", self._login(id), viewer) as channel:
            yield channel

    @asynccontextmanager
    async def of_learning(self, id: str, viewer: str) -> AsyncGenerator[Viewer]:  # noqa: A002
        """Connect to the view of a site learning; see `LiveViews`."""
        self._check_open()
        async with self._joined(f"learning {id}", self.learnings.target(id), viewer) as channel:
            yield channel

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Begin a remote login; see `LiveViews`."""
        profile = await self._profile(name, site, url)
        self._check_open()
        open_ones = [login for login in self._logins.values() if login.ended_at is None]
        if any(login.profile.name == name for login in open_ones):
            raise AccountConflict(f"A login of {name} is open already.", param="name")
        if len(open_ones) >= MOST_LOGINS:
            raise AccountConflict(f"{len(open_ones)} logins are open already; end one of them first.")
        id = secrets.token_urlsafe(12)  # noqa: A001
        parts = self._chromium, self._settings, self._store
        login = RemoteLogin(id, profile, *parts, lambda: self._changed(f"login {id}"), keep_browser=keep_browser)
        self._logins[id], self._running[id] = login, self._tasks.start(login.run(self._serve))
        return login.login()

    def login(self, id: str) -> Login:  # noqa: A002
        """Return the state of a remote login; see `LiveViews`."""
        return self._login(id).login()

    def logins(self) -> list[Login]:
        """Return the remote logins; see `LiveViews`."""
        self._sweep()
        return [login.login() for login in self._logins.values()]

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """Cancel a remote login; see `LiveViews`."""
        login = self._login(id)
        self._running[id].cancel()
        await asyncio.wait({self._running[id]})
        login.give_up()  # not done by a task that was cancelled before it began
        return login.login()

    async def close(self) -> None:
        """End all views and logins, and refuse new ones: a viewer whose view ends reconnects at once."""
        self._is_closed = True
        views, self._views = self._views, {}
        for view in views.values():
            # a viewer of a node's page finds the account on another node
            await view.close(ViewerRefused(STOPPED) if self.elsewhere is None else ViewerMoved(STOPPED))
        await self.learnings.close()
        await self._tasks.close()

    @asynccontextmanager
    async def _joined(self, key: str, target: ViewTarget, viewer: str) -> AsyncGenerator[Viewer]:
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(target, self._unused, self.idle)
        async with view.join(viewer) as channel:
            yield channel

    def _check_open(self) -> None:
        if self._is_closed:
            raise PoolError(STOPPED)

    def _unused(self, view: View) -> None:
        """Close a view without viewers; found by identity, because its account may have been renamed."""
        for key in [key for key, one in self._views.items() if one is view]:
            del self._views[key]
            self._tasks.start(view.close(ViewerRefused("")))

    def _follow(self, before: str, name: str) -> None:
        """Keep the view of an account that was renamed."""
        view = self._views.pop(f"account {before}", None)
        if view is not None and isinstance(view.target, AccountTarget):
            view.target.rename(name)
            self._views[f"account {name}"] = view
            view.changed()

    def _changed(self, key: str) -> None:
        if (view := self._views.get(key)) is not None:
            view.changed()

    def _login(self, id: str) -> RemoteLogin:  # noqa: A002
        self._sweep()
        if (login := self._logins.get(id)) is None:
            raise UnknownAccount("There is no login with this id, or it ended some time ago.")
        return login

    def _sweep(self) -> None:
        """Drop logins that ended more than `KEPT` seconds ago."""
        for id, login in tuple(self._logins.items()):  # noqa: A001
            if login.ended_at is not None and time.monotonic() > login.ended_at + KEPT:
                del self._logins[id], self._running[id]

    async def _profile(self, name: str, site: str, url: str | None) -> Profile:
        """Return the profile to sign in to, stored or new; raises a `RequestError` that names the field."""
        try:
            profile = await asyncio.to_thread(
                profile_for, self._store, name, site, url, self._settings.folders.site_files
            )
        except SetupError as error:
            raise RequestError(error.message, param="name") from error
        if profile.site != site or (url is not None and profile.url != url.rstrip("/")):
            raise RequestError(f"{name} is an account of {profile.url} already; choose another name.", param="name")
        return profile
