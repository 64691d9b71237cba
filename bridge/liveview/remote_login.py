"""The remote login: a person signs in to the real page through a live view, and the bridge stores the login."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from bridge.browser.browser import Chromium
from bridge.chat.operator_visit import Visit
from bridge.errors import BridgeError
from bridge.liveview.interface import Login, LoginState
from bridge.login.capture import CapturedLogin, capture, check_and_store
from bridge.login.interactive_login import PERSON_LIMIT
from bridge.settings import PageSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.browser_folders import kept_notice, new_folder
from bridge.storage.profiles import Profile, ProfileStore
from bridge.tasks import first
from bridge.worker.handover import LOOK_EVERY, looks_ready
from bridge.worker.page_loss import PageLoss
from bridge.worker.page_session import Session, open_session

EXPIRED = "Nobody signed in within 15 minutes; nothing was stored."


class RemoteLogin:
    """One remote login in progress, and the `ViewTarget` of its view."""

    def __init__(
        self,
        id: str,  # noqa: A002
        profile: Profile,
        chromium: Chromium,
        settings: PageSettings,
        store: ProfileStore,
        changed: Callable[[], None],
        *,
        keep_browser: bool = False,
    ) -> None:
        self.id = id
        self.profile = profile
        self.ended_at: float | None = None
        self._chromium = chromium
        self._settings = settings
        self._store = store
        self._changed = changed
        self._keeps_browser = keep_browser or profile.user_data_dir is not None
        self._session: Session | None = None
        self._visit = Visit()
        self._state: LoginState = "waiting"
        self._message = "Sign in on the page; the bridge notices when you are signed in."

    @property
    def session(self) -> Session | None:
        """Return the sign-in page, while it is open."""
        return self._session

    def about(self) -> dict[str, Any]:
        """Return the state of the login for its viewers."""
        about = {"kind": "login", "name": self.profile.name, "site": self.profile.site, "url": self.profile.url}
        return {**about, "state": self._state, "reason": self._message}

    def login(self) -> Login:
        """Return the state of the login for the HTTP side."""
        return Login(self.id, self.profile.name, self._state, self._message)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[Visit]:
        """Give the page to a person as long as it is open: no chats use it."""
        yield self._visit

    async def run(self, serve: Callable[[str], Awaitable[object]]) -> None:
        """Wait for the person, check and store the login, and add the account to the pool with `serve`."""
        try:
            async with self._kept():
                captured = await self._signed_in()
                self._say("The page is signed in; the bridge now tests the login in a fresh browser.")
                await check_and_store(self._chromium, self._settings, self._store, captured, self._say)
            await serve(self.profile.name)
            kept = f" {kept_notice(self._settings.folders.browsers)}" if self._keeps_browser else ""
            self._end("captured", f"{self.profile.name} is logged in and takes chats.{kept}")
        except TimeoutError:
            self._end("expired", EXPIRED)
        except BridgeError as error:
            self._end("failed", error.message)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Mark the login as given up; no effect if it has ended."""
        if self.ended_at is None:
            self._end("failed", "The login was given up; nothing was stored.")

    @asynccontextmanager
    async def _kept(self) -> AsyncGenerator[None]:
        """Run the login in a browser with its own folder, if that is to be kept."""
        if not self._keeps_browser:
            yield
            return
        async with new_folder(self._settings.folders.browsers, self.profile) as self.profile:
            yield

    async def _signed_in(self) -> CapturedLogin:
        """Show the page to a person; return the login as soon as the page is signed in."""
        driver_type = await asyncio.to_thread(load_driver, self.profile.site, self._settings.folders.site_files)
        async with (
            asyncio.timeout(PERSON_LIMIT),
            open_session(self._chromium, self.profile, driver_type, self._settings) as session,
        ):
            lost = PageLoss()
            session.on_gone = lost.note
            forget = self._chromium.with_folder(self.profile.user_data_dir).on_lost(lost.note)
            try:
                async with session.visited():
                    self._show(session)
                    await first(self._until_ready(session), lost.raised())
                return await capture(session, self.profile, self._settings.browser.call_limit)
            finally:
                forget()
                self._visit.end()
                self._show(None)

    async def _until_ready(self, session: Session) -> None:
        while not await looks_ready(session, PERSON_LIMIT):
            await asyncio.sleep(LOOK_EVERY)

    def _show(self, session: Session | None) -> None:
        self._session = session
        self._changed()

    def _say(self, message: str) -> None:
        self._message = message
        self._changed()

    def _end(self, state: LoginState, message: str) -> None:
        self._state, self._message = state, message
        self.ended_at = time.monotonic()
        self._changed()
