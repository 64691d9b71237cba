"""The window of a page: minimized while only the network matters, restored while the page is used or watched.

Chromium neither paints nor composites a page in a minimized window, and requests a frame only once a second, while a
front end renders at every chunk of an answer. To its scripts the page stays visible and focused, because Playwright
emulates both: scripts, timers and requests continue, and the page gets no event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from loguru import logger
from playwright.async_api import CDPSession

from bridge.browser.page_calls import within
from bridge.errors import BrowserError
from bridge.tasks import Tasks

DELAY = 0.5
"""Seconds of use before a window is minimized: painting it again afterwards costs more than a short answer."""


class PageWindow:
    """The window of the page of `session()`; each command has `limit` seconds, and None minimizes nothing.

    The window is minimized while `minimized` is entered and `restored` is not. `_state` is the last state that the
    browser confirmed; it is None during a command, and after a failed one.
    """

    def __init__(self, session: Callable[[], CDPSession], limit: float | None, delay: float = DELAY) -> None:
        self._session = session
        self._limit = limit
        self._delay = delay
        self._state: Literal["normal", "minimized"] | None = "normal"
        self._is_unused = False
        self._users = 0
        self._one = asyncio.Lock()
        """Held during a command, so that the last one sent is the last one wanted."""
        self._tasks = Tasks()

    @asynccontextmanager
    async def minimized(self) -> AsyncGenerator[None]:
        """Minimize the window after a delay while the context is open; start restoring it at exit, without waiting."""
        if self._limit is None:
            yield
            return
        waiting = self._tasks.start(self._minimize())
        try:
            yield
        finally:
            waiting.cancel()
            self._is_unused = False
            self._tasks.start(self._apply())  # not awaited: a hanging page may delay it, and `use` waits for it

    @asynccontextmanager
    async def restored(self) -> AsyncGenerator[None]:
        """Keep the window restored while the context is open, for input or screenshots."""
        await self.use()
        try:
            yield
        finally:
            self.leave()

    async def use(self) -> None:
        """Restore the window, and keep it restored until `leave` is called as often."""
        self._users += 1
        await self._apply()

    def leave(self) -> None:
        """End one `use`."""
        self._users -= 1
        self._tasks.start(self._apply())

    async def close(self) -> None:
        """Send no more commands."""
        await self._tasks.close()

    async def _minimize(self) -> None:
        await asyncio.sleep(self._delay)
        self._is_unused = True
        await asyncio.shield(self._tasks.start(self._apply()))

    async def _apply(self) -> None:
        """Set the window to the wanted state, unless it has that."""
        async with self._one:
            wanted: Literal["normal", "minimized"] = "minimized" if self._is_unused and not self._users else "normal"
            if wanted == self._state or self._limit is None:
                return
            self._state = None
            try:
                async with within(self._limit, "The browser did not change the window"):
                    await self._set(wanted)
            except BrowserError as error:  # the page is gone, which its own events report, or there are no windows
                logger.debug("The window of a page was not set to {}: {}", wanted, error.message)
            else:
                self._state = wanted

    async def _set(self, state: Literal["normal", "minimized"]) -> None:
        # asked each time, as the page may have been replaced
        window = (await self._session().send("Browser.getWindowForTarget"))["windowId"]
        await self._session().send("Browser.setWindowBounds", {"windowId": window, "bounds": {"windowState": state}})
