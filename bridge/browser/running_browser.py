"""A running browser: its handles, its processes, the watches on them, and how it is closed."""

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
    """One browser that the bridge launched, or connected to: then `note` is None, and only the driver is ours."""

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
        """The one context of a browser with a folder."""
        self.network: int | None = None
        self.is_lost = False
        self.is_headless = is_headless
        """Whether a browser that runs elsewhere shows its windows to nobody."""
        self.started = time.monotonic()
        self.on_gone: Callable[[], None] = lambda: None
        self._watches: list[processes.ExitWatch] = []
        self._note = note

    @property
    def is_ours(self) -> bool:
        """Tell whether we have started it."""
        return self._note is not None

    @property
    def is_watched(self) -> bool:
        """Tell whether the end of each process that all accounts need would be noticed at once."""
        return self.is_ours and self.network is not None and all(watch.is_open for watch in self._watches)

    @asynccontextmanager
    async def new_context(
        self, options: Mapping[str, Any], open_limit: float, close_limit: float
    ) -> AsyncGenerator[BrowserContext]:
        """Open a context with Playwright's `new_context` options; opening and closing it have so many seconds."""
        async with within(open_limit, "The browser opened no context"):
            context = await self.browser.new_context(**options)
        if not self.is_ours:
            context.on(
                "close", self.went
            )  # a connection that breaks closes pages and contexts before it tells of itself
        try:
            yield context
        finally:
            if not self.is_ours:
                context.remove_listener("close", self.went)
            with suppress(BrowserError):
                async with within(close_limit, "The context did not close"):
                    await context.close()

    async def own_memory(self, limit: float) -> int:
        """Return the bytes of memory of the browser and its driver, without its pages; 0 where it is not ours."""
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
        """Call `on_gone`: the connection to the browser is closed."""
        self.on_gone()

    async def close(self, limit: float) -> None:
        """Close the browser and its driver; kill what is left of our processes afterwards.

        The order matters: watches first, so that a wanted end is not reported as a loss; the driver after the browser,
        which it closes; the process group last, for a renderer that hangs.
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
    """Return a line to the browser itself, and its processes by their kinds."""
    async with within(limit, "The browser did not answer after its start"):
        session = await browser.new_browser_cdp_session()
        return session, dict(await process_list(session))


async def process_list(session: CDPSession) -> list[tuple[str, int]]:
    """Return kind and id of the browser's processes."""
    answer = await session.send("SystemInfo.getProcessInfo")
    return [(item["type"], item["id"]) for item in answer["processInfo"]]
