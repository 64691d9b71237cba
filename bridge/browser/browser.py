"""Starts Chromium on demand, detects its loss, and opens contexts in it.

One Chromium holds all accounts, with one context each; an account whose login cannot be copied has its own Chromium
with a folder. Playwright reports neither the end of its own driver nor that of Chromium's network service (which
silently loses the cookies of all contexts), so both processes are watched. A remote browser ends with its connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from loguru import logger
from playwright.async_api import BrowserContext

from bridge.browser import chromium, processes
from bridge.browser.connected import connected
from bridge.browser.egress_proxy import has_proxy
from bridge.browser.launch import Driver, launched, start_driver
from bridge.browser.page_calls import sign_of_life, within
from bridge.browser.running_browser import RunningBrowser, line_to, process_list
from bridge.browser_address import BrowserAddress
from bridge.errors import BrowserError, LoginRequired
from bridge.settings import MEBIBYTE, PageSettings
from bridge.tasks import errors_logged
from bridge.telemetry import BrowserLost, BrowserReplaced, BrowserStarted, Telemetry

NETWORK_SERVICE = "network.mojom.NetworkService"
NETWORK_LOST = "Chromium's network service ended, and the cookies of all accounts were lost with it"
PROXY = (
    "The browser goes through a proxy of your own (browser.args or the environment), so browser.hosts has no effect: "
    "the proxy decides what pages can reach"
)
DRIVER_LOST = "Playwright's driver ended"
GONE = "The browser of browser.connect went away"
LAUNCH_SLACK = 5.0
"""Seconds after Playwright's own limit of a launch in which it should report the error."""

JUST_NOW = 5.0
"""Seconds after a page was killed for its size in which a crash counts as that."""


class Chromium:
    """A Chromium that starts when a context is requested, and restarts after its loss."""

    def __init__(
        self, settings: PageSettings, telemetry: Telemetry, own: Path | None = None, shared: Chromium | None = None
    ) -> None:
        self._own = own
        """The user data folder; None: nothing is kept, and there are many contexts."""
        self._shared = shared or self
        self._with_folders: dict[str, Chromium] = {}
        self._settings = settings
        self._telemetry = telemetry
        self._lock = asyncio.Lock()
        """Held while Chromium starts or closes."""
        self._driver_start = asyncio.Lock()
        """Held, for all instances, while a driver starts: two new processes could not be told apart."""
        self._running: RunningBrowser | None = None
        self._latest, self._older = self, list[Chromium]()  # of the shared instance: which opens contexts now
        self.is_retired = False
        """Whether another browser has taken over: this one opens no contexts, and closes with its last one."""
        self._contexts = 0
        self._listeners: list[Callable[[BrowserError], None]] = []
        self._ended_at = -JUST_NOW
        """When a page was last killed for its size."""
        self._folder = settings.folders.config / "run"
        self._start_fact: BrowserStarted | None = None

    def on_lost(self, listener: Callable[[BrowserError], None]) -> Callable[[], None]:
        """Call `listener` when all contexts are lost; return a function that removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def started(self) -> BrowserStarted | None:
        """Return the fact of the last start, if there was one."""
        return self._latest._start_fact

    @property
    def running(self) -> RunningBrowser | None:
        """Return the browser that opens contexts, if it runs."""
        running = self._latest._running
        return None if running is None or running.is_lost else running

    async def replace(self, reason: str) -> None:
        """Start a second browser, which opens all contexts from now on; the first one closes with its last context.

        If the second one does not start, nothing changes.
        """
        new = Chromium(self._settings, self._telemetry, shared=self)
        await new._started()
        old, self._latest = self._latest, new
        old.is_retired = True
        self._older.append(old)
        self._telemetry.emit(BrowserReplaced(reason))
        await old._close_unused()

    async def _close_unused(self) -> None:
        if self.is_retired and not self._contexts:
            await self._end()
            with suppress(ValueError):  # the last context and `replace` may both see that it is the last
                self._shared._older.remove(self)

    @property
    def is_attached(self) -> bool:
        """Tell whether it is the remote browser of `browser.connect`."""
        return self._own is None and self._settings.browser.connect is not None

    @property
    def may_minimize(self) -> bool:
        """Tell whether its windows may be minimized, because no user sees them."""
        is_unseen = not self.is_attached or bool(self.running and self.running.is_headless)
        return is_unseen and self._settings.browser.may_minimize

    def with_folder(self, name: str | None) -> Chromium:
        """Return the Chromium with the user data folder of that name; None: the shared one without a folder."""
        if name is None:
            return self._shared._latest
        known, folder = self._shared._with_folders, self._settings.folders.browsers / name
        if name not in known:
            known[name] = Chromium(self._settings, Telemetry(), folder, self._shared)
        return known[name]

    @asynccontextmanager
    async def context(self, options: Mapping[str, Any]) -> AsyncGenerator[BrowserContext]:
        """Open a context with Playwright's `new_context` options; start Chromium if it does not run."""
        if self._own is not None and self._running is not None and not self._running.is_lost:
            raise BrowserError("The account's own browser is open already.")
        running = await self._started(options)
        self._contexts += 1
        try:
            async with self._context_in(running, options) as context:
                yield context
        finally:
            self._contexts -= 1
            await self._close_unused()

    @asynccontextmanager
    async def _context_in(self, running: RunningBrowser, options: Mapping[str, Any]) -> AsyncGenerator[BrowserContext]:
        if running.context is not None:
            try:
                yield running.context
            finally:
                await self._end()
            return
        async with running.new_context(
            options, self._settings.turn.ready, self._settings.browser.call_limit
        ) as context:
            yield context

    async def check(self) -> None:
        """Ask the browser for a sign of life; without one, tell the listeners and raise `BrowserError`."""
        running = self._running
        if running is None:
            raise BrowserError("The browser is not running.")
        found: list[tuple[str, int]] = []

        async def ask() -> None:
            found[:] = await process_list(running.session)

        try:
            await sign_of_life(ask, self._settings.browser.call_limit, "It gave no sign of life")
        except BrowserError as error:
            self._lost(running, error.message)
            raise
        if running.is_ours:  # else the process ids may be those of another machine
            await self._end_large([pid for kind, pid in found if kind == "renderer"])
        self._look_for_network(running, dict(found).get(NETWORK_SERVICE))
        if running.is_lost:
            raise BrowserError("The browser was lost.")

    def _look_for_network(self, running: RunningBrowser, pid: int | None) -> None:
        """Watch the network service, which starts with the first page; a new one has none of the cookies."""
        if running.network is None and pid is not None:
            running.network = pid
            if running.is_ours:
                running.watch(NETWORK_LOST, pid, self._lost)
        if pid != running.network:
            self._lost(running, NETWORK_LOST)

    async def _end_large(self, renderers: Sequence[int]) -> None:
        """Kill the pages that use more memory than the settings allow; their accounts see a crash."""
        limit = self._settings.browser.page_memory
        if limit and await asyncio.to_thread(processes.kill_larger, renderers, limit * MEBIBYTE):
            self._ended_at = time.monotonic()

    def why_crashed(self) -> str:
        """Return why a page crashed just now."""
        if time.monotonic() - self._ended_at > JUST_NOW:
            return "The page crashed."
        return f"The page took more than {self._settings.browser.page_memory} MiB of memory (browser.page_memory)."

    async def ensure(self) -> None:
        """Raise `BrowserError` if the browser is lost; ask it only if its processes are not watched."""
        running = self._running
        if running is None or running.is_lost or not running.is_watched:
            await self.check()

    async def version(self) -> str:
        """Return the version of Chromium."""
        return (await self._latest._started()).browser.version

    async def processes(self) -> list[tuple[str, int]]:
        """Return the kinds and ids of all processes of the bridge's browsers, with Playwright's driver first."""
        running = await self._latest._started()
        ours = [("driver", running.driver.process.pid)]
        if running.is_ours:
            ours += await process_list(running.session)
        for other in tuple(self._with_folders.values()):
            if other._running is not None and not other._running.is_lost:
                ours += await other.processes()
        return ours

    async def close(self) -> None:
        """Close Chromium and Playwright's driver; kill processes that do not end."""
        for other in (*self._with_folders.values(), *self._older, self._latest):
            await other._end()
        await self._end()

    async def _end(self) -> None:
        async with self._lock:
            running, self._running = self._running, None
            if running is not None:
                await running.close(self._settings.browser.call_limit)

    async def _started(self, options: Mapping[str, Any] | None = None) -> RunningBrowser:
        async with self._lock:
            if self._running is None or self._running.is_lost:
                if self.is_retired:
                    raise BrowserError("Another browser has just taken over.")
                lost, self._running = self._running, None
                if lost is not None:
                    await lost.close(self._settings.browser.call_limit)
                self._running = await self._start(options or {})
            return self._running

    async def _start(self, options: Mapping[str, Any]) -> RunningBrowser:
        if left := await asyncio.to_thread(processes.sweep, self._folder):
            logger.warning("Ended {} Chromium processes that an earlier run had left behind", left)
        if self.is_attached and (address := self._settings.browser.address) is not None:
            return await self._connect(address)
        if self._own is not None and not await asyncio.to_thread(self._own.is_dir):
            raise LoginRequired(
                f"The account's browser folder {self._own} is not there: bring it back, or log in again with "
                "`bridge login` and --keep-browser."
            )
        executable = await asyncio.to_thread(chromium.find, self._settings.browser)
        if self._settings.browser.hosts != "any" and has_proxy(self._settings.browser):
            logger.warning(PROXY)
        async with self._driver() as driver:
            async with within(self._settings.turn.ready + LAUNCH_SLACK, "Chromium did not start"):
                browser, context = await launched(self._own, options, driver.playwright, executable, self._settings)
            session, found = await line_to(browser, self._settings.browser.call_limit)
            leader = found["browser"]
            note = await asyncio.to_thread(processes.RunFile, self._folder, leader)
            running = RunningBrowser(driver, browser, session, context, note)
        running.watch("Chromium ended", leader, self._lost)
        running.watch(DRIVER_LOST, driver.process.pid, self._lost)
        sandbox = chromium.sandboxed(self._settings.browser)
        self._report_start(BrowserStarted(browser.version, str(executable), sandbox))
        return running

    async def _connect(self, address: BrowserAddress) -> RunningBrowser:
        async with self._driver() as driver:
            running = await connected(driver, address, self._settings)
        running.on_gone = lambda: self._lost(running, GONE)
        running.watch(DRIVER_LOST, driver.process.pid, self._lost)
        self._report_start(BrowserStarted(running.browser.version, str(address), None))
        return running

    def _report_start(self, started: BrowserStarted) -> None:
        self._start_fact = started
        self._telemetry.emit(started)

    @asynccontextmanager
    async def _driver(self) -> AsyncGenerator[Driver]:
        """Start a driver; stop it again if the body raises."""
        async with self._shared._driver_start:
            driver = await start_driver(self._settings.turn.ready, self._settings.browser.call_limit)
        try:
            yield driver
        except BaseException:  # also when cancelled, as no other code has the driver yet
            await driver.stop(self._settings.browser.call_limit)
            raise

    def _lost(self, running: RunningBrowser, reason: str) -> None:
        if running.is_lost:
            return
        running.is_lost = True
        self._telemetry.emit(BrowserLost(reason))
        for listener in tuple(self._listeners):
            with errors_logged("while telling an account of the loss of the browser"):
                listener(BrowserError(f"The browser was lost: {reason.removesuffix('.')}."))
