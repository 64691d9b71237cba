"""The one place that finds and starts Chromium, notices its end, and maps Playwright's errors to ours.

One Chromium holds all accounts, a context each. Playwright reports neither the end of its own driver nor that of
Chromium's network service (which silently takes the cookies of all contexts), so both processes are watched.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from loguru import logger
from playwright.async_api import Browser, BrowserContext, CDPSession, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from bridge import chromium, processes
from bridge.calls import sign_of_life, within
from bridge.egress import has_proxy
from bridge.errors import BridgeError, BrowserError, SetupError
from bridge.settings import MEBIBYTE, Settings
from bridge.tasks import surviving
from bridge.telemetry import BrowserLost, BrowserStarted, Telemetry

NETWORK_SERVICE = "network.mojom.NetworkService"
NETWORK_LOST = "Chromium's network service ended, and the cookies of all accounts with it"
PROXY = (
    "The browser goes through a proxy of your own (browser.args or the environment), so browser.hosts has no effect: "
    "the proxy decides what pages can reach"
)
LAUNCH_SLACK = 5.0
"""Seconds after the limit that Playwright keeps for a launch, in which it should say what went wrong."""

JUST_NOW = 5.0
"""Seconds for which a page that crashes is taken for the one whose process was ended."""


class Chromium:
    """A Chromium that is started when a context is asked for, and started anew after it was lost."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._lock = asyncio.Lock()
        self._running: _Running | None = None
        self._listeners: list[Callable[[BrowserError], None]] = []
        self._ended_at = -JUST_NOW
        """When a page was last ended for its size."""
        self._folder = settings.config / "run"
        self.started: BrowserStarted | None = None
        """What was told of its last start."""

    def on_lost(self, listener: Callable[[BrowserError], None]) -> Callable[[], None]:
        """Call `listener` when all contexts are lost; return how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @asynccontextmanager
    async def context(self, options: Mapping[str, Any]) -> AsyncGenerator[BrowserContext]:
        """Open a context with Playwright's `new_context` options, starting Chromium when none runs."""
        running = await self._started()
        async with within(self._settings.turn.ready, "The browser opened no context"):
            context = await running.browser.new_context(**options)
        try:
            yield context
        finally:
            with suppress(BrowserError):
                async with within(self._settings.browser.call_limit, "The context did not close"):
                    await context.close()

    async def check(self) -> None:
        """Ask the browser for a sign of life; raise `BrowserError`, after telling the listeners, if none comes."""
        running = self._running
        if running is None:
            raise BrowserError("The browser is not running.")
        found: list[tuple[str, int]] = []

        async def ask() -> None:
            found[:] = await _process_list(running.session)

        try:
            await sign_of_life(ask, self._settings.browser.call_limit, "It gave no sign of life")
        except BrowserError as error:
            self._lost(running, error.message)
            raise
        await self._end_large([pid for kind, pid in found if kind == "renderer"])
        network = dict(found).get(NETWORK_SERVICE)
        if running.network is None and network is not None:  # it starts with the first page
            running.network = network
            running.watch(NETWORK_LOST, network, self._lost)
        if network != running.network:
            self._lost(running, NETWORK_LOST)
        if running.is_lost:
            raise BrowserError("The browser was lost.")

    async def _end_large(self, renderers: Sequence[int]) -> None:
        """End the pages that take more memory than they may: each is told to its account as a crash."""
        limit = self._settings.browser.page_memory
        if limit and await asyncio.to_thread(processes.kill_larger, renderers, limit * MEBIBYTE):
            self._ended_at = time.monotonic()

    def why_crashed(self) -> str:
        """Return why a page crashed just now."""
        if time.monotonic() - self._ended_at > JUST_NOW:
            return "The page crashed."
        return f"The page took more than {self._settings.browser.page_memory} MiB of memory (browser.page_memory)."

    async def ensure(self) -> None:
        """Raise `BrowserError` if the browser is lost; it is asked only where the system does not tell of that."""
        running = self._running
        if running is None or running.is_lost or not running.is_watched:
            await self.check()

    async def version(self) -> str:
        """Return the version of Chromium."""
        return (await self._started()).browser.version

    async def processes(self) -> list[tuple[str, int]]:
        """Return kind and process id of Chromium's processes; the driver of Playwright comes first."""
        running = await self._started()
        return [("driver", running.driver), *await _process_list(running.session)]

    async def close(self) -> None:
        """End Chromium and Playwright's driver, with the hard hand if they do not go by themselves."""
        async with self._lock:
            running, self._running = self._running, None
            if running is not None:
                await running.close(self._settings.browser.call_limit)

    async def _started(self) -> _Running:
        async with self._lock:
            if self._running is None or self._running.is_lost:
                lost, self._running = self._running, None
                if lost is not None:
                    await lost.close(self._settings.browser.call_limit)
                self._running = await self._start()
            return self._running

    async def _start(self) -> _Running:
        if left := await asyncio.to_thread(processes.sweep, self._folder):
            logger.warning("Ended {} Chromium processes that an earlier run had left behind", left)
        executable = await asyncio.to_thread(chromium.find, self._settings.browser.executable)
        sandbox = chromium.sandboxed(self._settings.browser)
        if self._settings.browser.hosts != "any" and has_proxy(self._settings.browser):
            logger.warning(PROXY)
        playwright = await _start_playwright(self._settings.turn.ready, self._settings.browser.call_limit)
        try:
            async with within(self._settings.turn.ready + LAUNCH_SLACK, "Chromium did not start"):
                browser = await _launch(playwright, executable, self._settings, sandbox)
            async with within(self._settings.browser.call_limit, "Chromium did not answer after its start"):
                session = await browser.new_browser_cdp_session()
                found = dict(await _process_list(session))
            started = playwright, browser, session, found["browser"], self._folder
            running = await asyncio.to_thread(_Running, *started)
        except BaseException:
            await _stop_playwright(playwright, self._settings.browser.call_limit)
            raise
        running.watch("Chromium ended", running.leader, self._lost)
        running.watch("Playwright's driver ended", running.driver, self._lost)
        self.started = BrowserStarted(browser.version, str(executable), sandbox)
        self._telemetry.emit(self.started)
        return running

    def _lost(self, running: _Running, reason: str) -> None:
        if running.is_lost:
            return
        running.is_lost = True
        self._telemetry.emit(BrowserLost(reason))
        for listener in tuple(self._listeners):
            with surviving("while an account was told that the browser is lost"):
                listener(BrowserError(f"The browser was lost: {reason}."))


class _Running:
    """One started Chromium: Playwright's objects, the process ids, and the watch over them."""

    def __init__(self, playwright: Playwright, browser: Browser, session: CDPSession, leader: int, notes: Path) -> None:
        self.playwright = playwright
        self.browser = browser
        self.session = session
        self.leader = leader
        self.driver = processes.parent_of(leader) or 0
        self.network: int | None = None
        self.is_lost = False
        self._watches: list[processes.ExitWatch] = []
        self._note = processes.RunFile(notes, leader)

    @property
    def is_watched(self) -> bool:
        """Tell whether the end of each process that all accounts need would be noticed at once."""
        return self.network is not None and all(watch.is_open for watch in self._watches)

    def watch(self, reason: str, pid: int, on_lost: Callable[[_Running, str], None]) -> None:
        """Call `on_lost` with `reason` as soon as the process has ended."""
        self._watches.append(processes.ExitWatch(pid, lambda: on_lost(self, reason)))

    async def close(self, limit: float) -> None:
        """Close in order while that works; whatever is left of the group then is killed."""
        for watch in self._watches:
            watch.close()
        if not self.is_lost:
            with suppress(BrowserError):
                async with within(limit, "Chromium did not close"):
                    await self.browser.close()
        await _stop_playwright(self.playwright, limit)
        await asyncio.to_thread(processes.kill_group, self.leader)
        await processes.group_gone(self.leader, limit)
        await asyncio.to_thread(self._note.remove)


async def _start_playwright(limit: float, stop_limit: float) -> Playwright:
    """Start Playwright's driver; a start that is given up goes on to its end first, else its process would stay."""
    starting = asyncio.get_running_loop().create_task(async_playwright().start())
    try:
        async with within(limit, "Playwright's driver did not start"):
            return await asyncio.shield(starting)
    except BaseException as error:
        with suppress(Exception, asyncio.CancelledError):
            async with asyncio.timeout(stop_limit):
                await _stop_playwright(await starting, stop_limit)
        if isinstance(error, BridgeError) or not isinstance(error, Exception):
            raise
        raise SetupError(chromium.NO_DRIVER) from error


async def _launch(playwright: Playwright, executable: Any, settings: Settings, sandbox: bool) -> Browser:
    browser = settings.browser
    if (
        browser.headed
        and sys.platform == "linux"
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        raise SetupError("A headed browser needs a screen and there is none; try `xvfb-run bridge ...`.")
    try:
        return await playwright.chromium.launch(
            executable_path=executable,
            headless=not browser.headed,
            chromium_sandbox=sandbox,
            args=chromium.switches(browser),
            ignore_default_args=list(chromium.UNWANTED),
            env=await asyncio.to_thread(chromium.environment, settings.config / "run" / "openers"),
            slow_mo=browser.slow_mo,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            timeout=settings.turn.ready * 1000,
        )
    except PlaywrightError as error:
        raise SetupError(chromium.explain_launch(str(error), executable)) from error


async def _process_list(session: CDPSession) -> list[tuple[str, int]]:
    answer = await session.send("SystemInfo.getProcessInfo")
    return [(item["type"], item["id"]) for item in answer["processInfo"]]


async def _stop_playwright(playwright: Playwright, limit: float) -> None:
    with suppress(BrowserError):
        async with within(limit, "Playwright's driver did not stop"):
            await playwright.stop()
