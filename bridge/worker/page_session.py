"""An account's open page: its browser context, the page, the site's driver, the interceptor and the request log.

Workers, logins and the debugger share it, so that a page is opened and closed in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, Page

from bridge.browser.browser import Chromium
from bridge.browser.egress_proxy import bounded
from bridge.browser.interceptor import Interceptor
from bridge.browser.page_calls import after_a_moment, has_moved_on, sign_of_life, within
from bridge.browser.page_messages import NO_DOCUMENT, Reply
from bridge.browser.page_window import PageWindow
from bridge.browser.page_windows import Windows
from bridge.browser.request_log import RequestLog
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.origins import is_at, origin_of, own_state
from bridge.settings import PageSettings
from bridge.sites.contract import LeftSite, SiteDriver
from bridge.storage.profiles import Profile
from bridge.worker.page_wear import PageWear
from bridge.worker.site_channels import channels_of
from bridge.worker.web_storage import LocalStorage, read_session_storage, restore_session_storage

CRASHED = "Target crashed"
PERSONS_WINDOWS = 3
"""Windows that a page may open for a person, such as an identity provider's."""


class Tab(NamedTuple):
    """One page with its driver, interceptor and request log; `Session.renew` replaces all of them together."""

    page: Page
    driver: SiteDriver
    interceptor: Interceptor
    request_log: RequestLog


class Session:
    """One open page of one account; `wear` tracks its use, and `on_gone` is called with the reason of its loss."""

    def __init__(
        self,
        windows: Windows,
        open_tab: Callable[[], Awaitable[Tab]],
        tab: Tab,
        why_crashed: Callable[[], str],
        minimize_limit: float | None = None,
    ) -> None:
        self.context = tab.page.context
        self.window = PageWindow(lambda: self.interceptor.session, minimize_limit)
        self._windows, self._why_crashed = windows, why_crashed
        self.on_gone: Callable[[BrowserError], None] = lambda _: None
        self.may_act: Callable[[], None] = lambda: None
        """Called before each side effect; raises if this process may no longer act on the account."""
        self._open_tab = open_tab
        self._on_refusal: Callable[[BridgeError], None] | None = None
        self._use(tab)

    @property
    def places(self) -> tuple[str, Sequence[str]]:
        """Return the addresses that a person may open here: the site's own, and its further hosts."""
        return self.driver.url, self.driver.hosts

    async def renew(self, limit: float) -> None:
        """Replace a page that has grown by use by a new one; closing the old one may take `limit` seconds."""
        old = Tab(self.page, self.driver, self.interceptor, self.request_log)
        self._use(await self._open_tab())
        await _close_tab(old, limit)

    @asynccontextmanager
    async def another_page(self, limit: float) -> AsyncGenerator[SiteDriver]:
        """Open another page of the account beside its own; closing it may take `limit` seconds."""
        tab = await self._open_tab()
        try:
            yield tab.driver
        finally:
            await _close_tab(tab, limit)

    def _use(self, tab: Tab) -> None:
        self.page, self.driver, self.interceptor, self.request_log = tab
        self.driver.may_act = lambda: self.may_act()
        self.request_log.wanted, self.request_log.on_reply = self._is_wanted, self._on_reply
        self.wear = PageWear()
        self.page.on("crash", lambda page: self._went(page, self._why_crashed()))
        self.page.on("close", lambda page: after_a_moment(partial(self._went, page, "The page was closed.")))
        self.page.on("framenavigated", self._on_navigation)
        self._stays = False

    def stay(self) -> None:
        """Treat the page as lost if it leaves the site's origin from now on."""
        self._stays = True
        self._on_navigation(self.page.main_frame)

    @asynccontextmanager
    async def visited(self) -> AsyncGenerator[None]:
        """Let a person use the page while the context is open: it may go elsewhere, open windows, and send anything."""
        most = self._windows.most
        self._stays, self._windows.most, self.interceptor.is_open = False, PERSONS_WINDOWS, True
        try:
            yield
        finally:
            self._windows.most, self.interceptor.is_open = most, False
            await self._windows.trim()

    def _on_navigation(self, frame: Frame) -> None:
        if not self._stays or frame != self.page.main_frame:
            return
        if frame.url.startswith(NO_DOCUMENT):
            return  # the next turn loads the site again
        if origin_of(frame.url) != self.driver.origin:
            self.on_gone(LeftSite(frame.url))
        elif self.driver.is_sign_in(frame.url):
            self.interceptor.leave(SiteError("The page went to its login in the middle of the answer."))

    def _went(self, page: Page, reason: str) -> None:
        if page is self.page:
            self.on_gone(BrowserError(reason))

    @asynccontextmanager
    async def failing_on_refusal(self, grace: float) -> AsyncGenerator[None]:
        """Run the body; if the site refuses a call of the page, raise that unless the body ends within `grace` seconds.

        The page's own message does not count: it may call a firewall busy, and not mention a broken network.
        """
        clock, found = asyncio.get_running_loop().time, list[BridgeError]()
        try:
            async with asyncio.timeout(None) as limit:

                def refuse(error: BridgeError) -> None:
                    if not found:
                        found.append(error)
                        limit.reschedule(clock() + grace)

                self._on_refusal = refuse
                try:
                    yield
                finally:
                    self._on_refusal = None
        except (TimeoutError, SiteError):  # the page may show its message before the refusal has ended the wait
            if not found:
                raise
            raise found[0] from None

    def interrupt(self, error: BridgeError) -> None:
        """End the current wait for the page, and the running turn, with `error`; the page stays open."""
        if self._on_refusal is not None:
            self._on_refusal(error)
        self.interceptor.interrupt(error)

    def _is_wanted(self, url: str) -> bool:
        driver = self.driver
        is_call = self._on_refusal is not None and _is_call(driver, url, driver.call_paths)
        is_history = self.interceptor.is_without_response and _is_call(driver, url, driver.history_paths)
        return is_call or is_history or is_watched(driver, url)

    def _on_reply(self, reply: Reply) -> None:
        driver, url = self.driver, reply.response.url
        if is_watched(driver, url):
            driver.on_reply(reply)
        if _is_call(driver, url, driver.history_paths):
            self.interceptor.deliver_whole(reply)
        elif self._on_refusal and (error := driver.refused(reply)):
            self._on_refusal(error)

    async def check(self, limit: float) -> None:
        """Ask the page for a sign of life, `limit` seconds at a time; raise `BrowserError` if none comes."""

        async def ask() -> None:
            # not by `page.evaluate`, which counts as a user's click and would let the page open windows
            asked = self.interceptor.session
            try:
                await asked.send("Runtime.evaluate", {"expression": "1"})
            except PlaywrightError as error:
                if asked is not self.interceptor.session:
                    return  # the page was replaced meanwhile, and this one was closed
                if CRASHED in str(error):
                    raise BrowserError(self._why_crashed()) from error
                if not has_moved_on(error):  # else the page is reloading, which is a sign of life, too
                    raise

        def signs() -> object:
            return self.request_log.signs, self.interceptor.signs

        await sign_of_life(ask, limit, "The page hangs: it gave no sign of life", signs)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self.wear.measure(self.interceptor.session)

    async def capture(self, profile: Profile, limit: float) -> Profile:
        """Return `profile` with the context's current login, without other sites' data."""
        async with within(limit, "The browser did not return the login"):
            state: Any = await self.context.storage_state(indexed_db=self.driver.login_in_indexed_db)
            origin, items = await read_session_storage(self.page)
        if origin != self.driver.origin:
            raise LeftSite(self.page.url)
        return profile.with_state(own_state(state, origin, self.driver.hosts), {origin: items})


def is_watched(driver: SiteDriver, url: str) -> bool:
    """Tell whether a driver wants the response to a call of its page."""
    return _is_call(driver, url, driver.watched_paths)


def _is_call(driver: SiteDriver, url: str, paths: Sequence[str]) -> bool:
    if not any(fnmatchcase(urlsplit(url).path, path) for path in paths):
        return False
    return origin_of(url) == driver.origin or is_at(url, driver.hosts)


@asynccontextmanager
async def open_session(
    chromium: Chromium, profile: Profile, driver_type: type[SiteDriver], settings: PageSettings
) -> AsyncGenerator[Session]:
    """Open the account's page in its own context and load the site; the page need not be signed in."""
    headed = settings.browser.headed
    chromium, browser = chromium.with_folder(profile.user_data_dir), settings.browser
    async with (
        aclosing(LocalStorage(profile)) as stored,
        bounded(origin_of(profile.url), driver_type.hosts, browser, chromium.is_attached) as bounds,
        chromium.context({**_context_options(profile, stored.rest, headed), **bounds}) as context,
    ):
        windows = Windows(context, PERSONS_WINDOWS if headed else 0)
        await restore_session_storage(context, profile, browser.call_limit)

        async def open_tab() -> Tab:
            tab = await _open_tab(windows, stored, profile.url, driver_type, settings.turn.ready)
            await chromium.check()
            return tab

        minimize_limit = browser.call_limit if chromium.may_minimize and driver_type.answers_minimized else None
        session = Session(windows, open_tab, await open_tab(), chromium.why_crashed, minimize_limit)
        try:
            yield session
        finally:
            session.on_gone = lambda _: None
            await session.window.close()
            await session.interceptor.close()
            await session.request_log.close()
            await windows.close()
            with suppress(BrowserError):
                async with within(browser.call_limit, "The page did not close"):
                    await session.page.close()


async def _open_tab(
    windows: Windows, stored: LocalStorage, url: str, driver_type: type[SiteDriver], limit: float
) -> Tab:
    """Open a page and load the site; after a failure, closing the context closes it."""
    async with within(limit, "The browser opened no page"):
        page = await windows.open()
        page.set_default_timeout(limit * 1000)
        driver = driver_type(page, url)
        interceptor = await Interceptor.attach(page, channels_of(driver))
    interceptor.tab.on("Page.javascriptDialogOpening", lambda event: driver.on_dialog(event["message"]))
    request_log = RequestLog(interceptor.tab)
    driver.limit, driver.is_waiting, driver.is_loading = limit, request_log.is_waiting, request_log.is_loading
    driver.has_open_commands = partial(request_log.has_open_commands, 0)
    request_log.wanted, request_log.on_reply = partial(is_watched, driver), driver.on_reply
    try:
        async with within(limit, f"{url} did not load"):
            await stored.put(interceptor.tab)
            await page.goto(url, wait_until="domcontentloaded")
    except BaseException:  # also when cancelled, as no other code has the interceptor yet
        await interceptor.close()
        raise
    return Tab(page, driver, interceptor, request_log)


async def _close_tab(tab: Tab, limit: float) -> None:
    await tab.interceptor.close()
    await tab.request_log.close()
    async with within(limit, "The page did not close"):
        await tab.page.close()


def _context_options(profile: Profile, state: dict[str, Any], headed: bool) -> dict[str, Any]:
    width, height = profile.viewport
    options: dict[str, Any] = {"storage_state": state, "accept_downloads": False}
    if headed:
        options["no_viewport"] = True  # the window's own size, which developer tools may change
    else:
        options["viewport"] = {"width": width, "height": height}
    place = {"locale": profile.locale, "timezone_id": profile.timezone}
    return options | {name: value for name, value in place.items() if value}
