"""A page that is operated only while it shows the site: keys, clicks and text never reach another origin's document.

The page redraws itself at any time and may reload, so an action that a navigation interrupted is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from playwright.async_api import ElementHandle, Frame, JSHandle, Locator, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.browser.page_calls import has_moved_on
from bridge.browser.page_messages import NO_DOCUMENT
from bridge.errors import NetworkError
from bridge.origins import origin_of
from bridge.sites.contract import LeftSite
from bridge.tasks import first

QUICK = 2_000
"""Milliseconds that a page in working order takes for a click and its effect."""
MOVES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each retry on a page that navigated: one that reloads replaces its document more than once."""
INSERTED_AFTER = 3.0
"""Seconds that an insertion may take after the page has navigated."""
INTERRUPTED = "interrupted by another navigation"
RELEASE_LIMIT = 1.0
"""Seconds that the release of a handle may take."""

T = TypeVar("T")


@asynccontextmanager
async def held(handle: JSHandle) -> AsyncGenerator[None]:
    """Dispose of the handle at the end of the block: until then the page keeps the object in memory."""
    try:
        yield
    finally:
        with suppress(PlaywrightError, TimeoutError):  # gone already, with its document
            async with asyncio.timeout(RELEASE_LIMIT):
                await handle.dispose()


async def retried(act: Callable[[], Awaitable[T]], on_move: Callable[[], None] = lambda: None) -> T:
    """Run `act`; run it again where a navigation or a redraw interrupted it, after calling `on_move`."""
    for pause in MOVES:
        try:
            return await act()
        except PlaywrightTimeout:
            raise
        except PlaywrightError as error:
            on_move()
            if not has_moved_on(error):
                raise
        await asyncio.sleep(pause)
    return await act()


class GuardedPage:
    """One page of the site at `origin`."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin

    async def wait_for_site(self, limit: float) -> None:
        """Wait until the page shows the site, which may redirect it elsewhere and back when it opens."""
        try:
            await self.page.wait_for_url(self.is_on_site, wait_until="commit", timeout=limit)
        except PlaywrightTimeout as error:
            if self.page.url.startswith(NO_DOCUMENT):
                raise NetworkError("The site cannot be reached: its page does not load.") from error
            raise LeftSite(self.page.url).if_repeated() from error

    async def load(self, address: str) -> None:
        """Load a document; load it again where a late one of an earlier attempt replaced it."""
        for pause in MOVES[1:]:
            try:
                await self.page.goto(address, wait_until="domcontentloaded")
                return
            except PlaywrightError as error:
                if INTERRUPTED not in str(error):
                    raise
            await asyncio.sleep(pause)  # the interrupted attempt goes on, and would interrupt the next one
        await self.page.goto(address, wait_until="domcontentloaded")

    async def press(self, key: str) -> None:
        """Press a key; it carries nothing of the prompt, in case the page leaves the site at this moment."""
        self.require_site()
        await self.page.keyboard.press(key)

    async def click_at(self, x: float, y: float) -> None:
        """Click at a position in the page, in pixels."""
        self.require_site()
        await self.page.mouse.click(x, y)

    async def insert_text(self, text: str) -> None:
        """Insert text into the focused element in one step.

        Chromium never replies if the document is replaced meanwhile; that is raised as an interrupting navigation.
        """
        moved = asyncio.Event()

        def note(frame: Frame) -> None:
            if frame == self.page.main_frame:
                moved.set()

        async def fail_once_moved() -> None:
            await moved.wait()
            await asyncio.sleep(INSERTED_AFTER)  # it may have moved within the document, or just before
            raise PlaywrightError("The text was not inserted, because of a navigation.")

        self.require_site()
        self.page.on("framenavigated", note)
        try:
            await first(self.page.keyboard.insert_text(text), fail_once_moved())
        finally:
            self.page.remove_listener("framenavigated", note)

    async def own(self, found: Locator) -> ElementHandle:
        """Return an element in a document of the site; its handle is valid in no other document."""
        element = await found.first.element_handle()
        there: str = await element.evaluate("() => location.href")
        if not self.is_on_site(there):
            raise LeftSite(there)
        return element

    def require_site(self) -> None:
        """Raise `LeftSite` if the page shows another origin."""
        if not self.is_on_site(self.page.url):
            raise LeftSite(self.page.url)

    def is_on_site(self, url: str) -> bool:
        """Tell whether an address belongs to the site's origin."""
        return origin_of(url) == self.origin
