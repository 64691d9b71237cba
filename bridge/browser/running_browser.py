"""A running browser: its handles, its processes with their watches, and its shutdown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession

from bridge.browser import processes
from bridge.browser.launch import Driver
from bridge.browser.page_calls import within
from bridge.errors import BrowserError


class RunningBrowser:
    """A browser that the bridge launched, or connected to; then `note` is None, and only the driver is the bridge's."""

    def __init__(
        self,
        driver: Driver,
        browser: Browser,
        session: CDPSession,
        context: BrowserContext | None,
        note: processes.RunFile | None,
        *,
        is_headless: bool = False,
    ) -> None:
        self.driver = driver
        self.browser = browser
        self.session = session
        self.context = context
        """The only context of a browser with a folder."""
        self.network: int | None = None
        self.is_lost = False
        self.is_headless = is_headless
        """Whether a remote browser is headless."""
        self.started = time.monotonic()
        self.on_gone: Callable[[], None] = lambda: None
        self._watches: list[processes.ExitWatch] = []
        self._note = note

    @property
    def is_ours(self) -> bool:
        """Tell whether the bridge launched it."""
        return self._note is not None

    @property
    def is_watched(self) -> bool:
        """Tell whether all processes that the accounts need are watched."""
        return self.is_ours and self.network is not None and all(watch.is_open for watch in self._watches)

    @asynccontextmanager
    async def new_context(
        self, options: Mapping[str, Any], open_limit: float, close_limit: float
    ) -> AsyncGenerator[BrowserContext]:
        """Open a context with Playwright's `new_context` options; the limits are in seconds."""
        async with within(open_limit, "The browser opened no context"):
            context = await self.browser.new_context(**options)
        if not self.is_ours:
            context.on("close", self.went)  # a broken connection closes pages and contexts before it is reported
        try:
            yield context
        finally:
            if not self.is_ours:
                context.remove_listener("close", self.went)
            with suppress(BrowserError):
                async with within(close_limit, "The context did not close"):
                    await context.close()

    async def own_memory(self, limit: float) -> int:
        """Return the memory of the browser and its driver in bytes, without pages; 0 for a remote browser."""
        if not self.is_ours:
            return 0
        async with within(limit, "The browser did not tell its processes"):
            found = await process_list(self.session)
        pids = [self.driver.process.pid, *(pid for kind, pid in found if kind != "renderer")]
        return await asyncio.to_thread(processes.memory_of, pids)

    def watch(self, reason: str, pid: int, on_lost: Callable[[RunningBrowser, str], None]) -> None:
        """Call `on_lost` with `reason` as soon as the process has ended."""
        self._watches.append(processes.ExitWatch(pid, lambda: on_lost(self, reason)))

    def went(self, _: object) -> None:
        """Call `on_gone`, as the connection to the browser is closed."""
        self.on_gone()

    async def close(self, limit: float) -> None:
        """Close the browser and its driver; then kill remaining processes.

        The order matters: watches first, so that an intended end is not reported as a loss; the driver after the
        browser, which it closes; the process group last, for a hanging renderer.
        """
        self.on_gone = lambda: None
        for watch in self._watches:
            watch.close()
        if not self.is_lost:
            with suppress(BrowserError):
                async with within(limit, "The browser did not close"):
                    await self.browser.close()
        await self.driver.stop(limit)
        if self._note is not None:
            await asyncio.to_thread(processes.kill_group, self._note.leader)
            await processes.group_gone(self._note.leader, limit)
            await asyncio.to_thread(self._note.remove)


async def line_to(browser: Browser, limit: float) -> tuple[CDPSession, dict[str, int]]:
    """Return a CDP session of the browser itself, and its process ids by kind."""
    async with within(limit, "The browser did not answer after its start"):
        session = await browser.new_browser_cdp_session()
        return session, dict(await process_list(session))


async def process_list(session: CDPSession) -> list[tuple[str, int]]:
    """Return the kinds and ids of the browser's processes."""
    answer = await session.send("SystemInfo.getProcessInfo")
    return [(item["type"], item["id"]) for item in answer["processInfo"]]
