"""The window of a page: minimized while only the network matters, restored for all that works or watches the page.

Chromium neither paints nor composes a page whose window is minimized, and asks it for a frame once a second, where a
front end draws at every chunk of an answer. To itself the page stays visible and focused, because Playwright emulates
both: its scripts, timers and requests run on, and it is told of nothing.
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
"""Seconds of use after which a window is minimized: drawing it again afterwards costs more than a short answer does."""


class PageWindow:
    """Minimizes the window of the page of `session()`; each command has `limit` seconds, and None minimizes nothing.

    The window is minimized while somebody is in `minimized` and nobody is in `restored`. What the browser was last told
    successfully is `_state`; it is None while a command is on its way, and after one that failed.
    """

    def __init__(self, session: Callable[[], CDPSession], limit: float | None, delay: float = DELAY) -> None:
        self._session = session
        self._limit = limit
        self._delay = delay
        self._state: Literal["normal", "minimized"] | None = "normal"
        self._is_unused = False
        self._users = 0
        self._one = asyncio.Lock()
        """Held while a command is on its way, so that the last one sent is the last one wanted."""
        self._tasks = Tasks()

    @asynccontextmanager
    async def minimized(self) -> AsyncGenerator[None]:
        """Minimize the window meanwhile, after a while of use; the end begins to restore it, and waits for nothing."""
        if self._limit is None:
            yield
            return
        waiting = self._tasks.start(self._minimize())
        try:
            yield
        finally:
            waiting.cancel()
            self._is_unused = False
            self._tasks.start(self._apply())  # not awaited: a page that hangs may hold it up, and `use` waits for it

    @asynccontextmanager
    async def restored(self) -> AsyncGenerator[None]:
        """Keep the window restored meanwhile, for hands or eyes."""
        await self.use()
        try:
            yield
        finally:
            self.leave()

    async def use(self) -> None:
        """Return with the window restored, which it stays until `leave` is called as often."""
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
        """Tell the browser which state is wanted now, unless it is in that."""
        async with self._one:
            wanted: Literal["normal", "minimized"] = "minimized" if self._is_unused and not self._users else "normal"
            if wanted == self._state or self._limit is None:
                return
            self._state = None
            try:
                async with within(self._limit, "The browser did not change the window"):
                    await self._set(wanted)
            except BrowserError as error:  # the page is gone, which its own events tell, or there are no windows
                logger.debug("The window of a page was not {}: {}", wanted, error.message)
            else:
                self._state = wanted

    async def _set(self, state: Literal["normal", "minimized"]) -> None:
        # asked each time: the page may be another one by now
        window = (await self._session().send("Browser.getWindowForTarget"))["windowId"]
        await self._session().send("Browser.setWindowBounds", {"windowId": window, "bounds": {"windowState": state}})
