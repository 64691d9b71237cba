"""An account's open page: the context made from its profile, the page, the driver's hands and the interceptor.

The same session serves the pool's workers, the login and the debugger; opening and closing it is written once.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import BrowserContext, Page

from bridge.browser import Chromium, within
from bridge.errors import BrowserError
from bridge.intercept import Interceptor
from bridge.profiles import Profile
from bridge.settings import Settings
from bridge.sites.base import SiteDriver
from bridge.traffic import Traffic

RESTORE_SESSION_STORAGE = """(stored => {
  const items = stored[location.origin];
  if (items && !sessionStorage.length) for (const key in items) sessionStorage.setItem(key, items[key]);
})(%s)"""
READ_SESSION_STORAGE = "() => [location.origin, {...sessionStorage}]"


class Session:
    """One page of one account, open."""

    def __init__(
        self, context: BrowserContext, page: Page, driver: SiteDriver, interceptor: Interceptor, traffic: Traffic
    ) -> None:
        self.context = context
        self.page = page
        self.driver = driver
        self.interceptor = interceptor
        self.traffic = traffic

    async def check(self, limit: float) -> None:
        """Ask the page for a sign of life; raise `BrowserError` if none comes within `limit` seconds."""
        async with within(limit, "The page hangs: it gave no sign of life"):
            await self.page.evaluate("1")

    async def capture(self, profile: Profile, limit: float) -> Profile:
        """Return `profile` with the login that the context holds now."""
        async with within(limit, "The browser did not tell what the login is"):
            state: Any = await self.context.storage_state(indexed_db=self.driver.login_in_indexed_db)
            origin, items = await self.page.evaluate(READ_SESSION_STORAGE)
        return profile.with_state(state, {**profile.session_storage, origin: items})


@asynccontextmanager
async def open_session(
    chromium: Chromium, profile: Profile, driver_type: type[SiteDriver], settings: Settings
) -> AsyncGenerator[Session]:
    """Open the account's page in a context of its own and go to the site; the page need not be signed in."""
    async with chromium.context(_context_options(profile, settings.browser.headed)) as context:
        async with within(settings.turn.ready, "The browser opened no page"):
            page = await context.new_page()
            page.set_default_timeout(settings.turn.ready * 1000)
            if profile.session_storage:
                script = RESTORE_SESSION_STORAGE % json.dumps(profile.session_storage)
                await context.add_init_script(script)
            traffic = Traffic(page)
            interceptor = await Interceptor.attach(page, driver_type.answer_paths)
        try:
            async with within(settings.turn.ready, f"{profile.url} did not load"):
                await page.goto(profile.url, wait_until="domcontentloaded")
            await chromium.check()
            driver = driver_type(page, profile.url)
            driver.limit = settings.turn.ready
            yield Session(context, page, driver, interceptor, traffic)
        finally:
            await interceptor.close()
            with suppress(BrowserError):
                async with within(settings.browser.call_limit, "The page did not close"):
                    await page.close()


def _context_options(profile: Profile, headed: bool) -> dict[str, Any]:
    width, height = profile.viewport
    options: dict[str, Any] = {"storage_state": profile.storage_state}
    if headed:
        options["no_viewport"] = True  # the window's own size, which developer tools may change
    else:
        options["viewport"] = {"width": width, "height": height}
    if profile.locale:
        options["locale"] = profile.locale
    if profile.timezone:
        options["timezone_id"] = profile.timezone
    return options
