"""All live views and remote logins of a running bridge; see `types.LiveViews`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from bridge.browser.browser import Chromium
from bridge.errors import AccountConflict, PoolError, RequestError, SetupError, UnknownAccount
from bridge.liveview.account_stage import AccountStage
from bridge.liveview.interface import Login
from bridge.liveview.remote_login import RemoteLogin
from bridge.liveview.stage import Stage
from bridge.liveview.view import IDLE, View
from bridge.liveview.viewer import Seat
from bridge.login.interactive_login import profile_for
from bridge.pool.pool import Pool
from bridge.settings import Settings
from bridge.storage.profiles import Profile, ProfileStore
from bridge.tasks import Tasks
from bridge.telemetry import AccountHeld, ChatEnded, ChatStarted, Fact, PageShown, WorkerChanged

MOST_LOGINS = 3
"""Remote logins at a time."""
KEPT = 600.0
"""Seconds for which a login that has ended can be asked for."""
STOPPED = "The bridge is stopping."


class Desk:
    """Opens a view where somebody looks, and closes it after the last one; `serve` takes a new account up."""

    def __init__(
        self,
        pool: Pool,
        chromium: Chromium,
        settings: Settings,
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
        self.idle = IDLE
        """Seconds after which the controls of a view that is opened next are taken back from who does nothing."""

    def hear(self, fact: Fact) -> None:
        """Take note of what happens to accounts."""
        match fact:
            case WorkerChanged() | AccountHeld() | PageShown() | ChatStarted() | ChatEnded():
                self._tell(f"account {fact.account}")

    @asynccontextmanager
    async def of_account(self, name: str, viewer: str) -> AsyncGenerator[Seat]:
        """Connect to the view of an account; see `LiveViews`."""
        self._check_open()
        if self._pool.worker(name) is None:
            raise UnknownAccount(f"There is no account {name!r} here.")
        async with self._seated(f"account {name}", AccountStage(self._pool, name), viewer) as seat:
            yield seat

    @asynccontextmanager
    async def of_login(self, id: str, viewer: str) -> AsyncGenerator[Seat]:  # noqa: A002
        """Connect to the view of a login; see `LiveViews`."""
        self._check_open()
        async with self._seated(f"login {id}", self._login(id), viewer) as seat:
            yield seat

    async def log_in(self, name: str, site: str, url: str | None, keep_browser: bool = False) -> Login:
        """Begin a remote login; see `LiveViews`."""
        profile = await self._profile(name, site, url)
        self._check_open()
        open_ones = [login for login in self._logins.values() if login.ended_at is None]
        if any(login.profile.name == name for login in open_ones):
            raise AccountConflict(f"Somebody is logging {name} in already.", param="name")
        if len(open_ones) >= MOST_LOGINS:
            raise AccountConflict(f"{len(open_ones)} logins are open already; end one of them first.")
        id = secrets.token_urlsafe(12)  # noqa: A001
        parts = self._chromium, self._settings, self._store
        login = RemoteLogin(id, profile, *parts, lambda: self._tell(f"login {id}"), keep_browser=keep_browser)
        self._logins[id], self._running[id] = login, self._tasks.start(login.run(self._serve))
        return login.login()

    def login(self, id: str) -> Login:  # noqa: A002
        """Return how a login stands; see `LiveViews`."""
        return self._login(id).login()

    def logins(self) -> list[Login]:
        """Return the logins; see `LiveViews`."""
        self._sweep()
        return [login.login() for login in self._logins.values()]

    async def give_up(self, id: str) -> Login:  # noqa: A002
        """End a login; see `LiveViews`."""
        login = self._login(id)
        self._running[id].cancel()
        await asyncio.wait({self._running[id]})
        return login.login()

    async def close(self) -> None:
        """End all views and logins, and open no more of them: a viewer whose view has ended comes back at once."""
        self._is_closed = True
        views, self._views = self._views, {}
        for view in views.values():
            await view.close(STOPPED)
        await self._tasks.close()

    @asynccontextmanager
    async def _seated(self, key: str, stage: Stage, viewer: str) -> AsyncGenerator[Seat]:
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(stage, lambda gone: self._deserted(key, gone), self.idle)
        async with view.viewer(viewer) as seat:
            yield seat

    def _check_open(self) -> None:
        if self._is_closed:
            raise PoolError(STOPPED)

    def _deserted(self, key: str, view: View) -> None:
        """Close a view in which nobody is any more."""
        if self._views.get(key) is view:
            del self._views[key]
            self._tasks.start(view.close(""))

    def _tell(self, key: str) -> None:
        if (view := self._views.get(key)) is not None:
            view.changed()

    def _login(self, id: str) -> RemoteLogin:  # noqa: A002
        self._sweep()
        if (login := self._logins.get(id)) is None:
            raise UnknownAccount("There is no login of this id, or it ended some time ago.")
        return login

    def _sweep(self) -> None:
        """Forget logins that ended long ago."""
        for id, login in tuple(self._logins.items()):  # noqa: A001
            if login.ended_at is not None and time.monotonic() > login.ended_at + KEPT:
                del self._logins[id], self._running[id]

    async def _profile(self, name: str, site: str, url: str | None) -> Profile:
        """Return the profile to be signed in, kept or new."""
        try:
            profile = await asyncio.to_thread(profile_for, self._store, name, site, url)
        except SetupError as error:
            raise RequestError(error.message, param="name") from error
        if profile.site != site or (url is not None and profile.url != url.rstrip("/")):
            raise RequestError(f"{name} is an account of {profile.url} already; take another name.", param="name")
        return profile
