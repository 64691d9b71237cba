"""Starts the bridge's browsers, with or without a user data folder, and the Playwright driver that controls them."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from bridge.browser import chromium, processes
from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError, SetupError
from bridge.settings import BrowserSettings, PageSettings

LOCKS = ("SingletonLock", "SingletonCookie", "SingletonSocket")
"""Files that mark a folder as used by a Chromium."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A running Playwright driver, and its process."""

    playwright: Playwright
    process: psutil.Process

    async def stop(self, limit: float) -> None:
        """Stop the driver and every browser that it started; kill processes left after `limit` seconds."""
        browsers = await asyncio.to_thread(processes.descendants, self.process)
        stopping = asyncio.get_running_loop().create_task(self.playwright.stop())
        try:
            await asyncio.wait([stopping], timeout=limit)
        finally:
            await asyncio.to_thread(processes.kill, *browsers, self.process)
        await asyncio.wait([stopping], timeout=limit)  # until the event loop has noticed its end


async def start_driver(limit: float, stop_limit: float) -> Driver:
    """Start Playwright's driver; a failed or cancelled start leaves no process behind.

    Only one start may run at a time: Playwright does not expose its process, so it is found as the new child.
    """
    before = await asyncio.to_thread(processes.children)
    starting = asyncio.get_running_loop().create_task(async_playwright().start())
    try:
        async with within(limit, "Playwright's driver did not start"):
            playwright = await asyncio.shield(starting)
            return Driver(playwright, (await asyncio.to_thread(_drivers, before))[-1])
    except BaseException as error:  # a cancelled start leaves no process, either
        await _give_up(starting, before, stop_limit)
        if isinstance(error, BridgeError) or not isinstance(error, Exception):
            raise
        raise SetupError(chromium.NO_DRIVER) from error


async def _give_up(starting: asyncio.Task[Playwright], before: Sequence[psutil.Process], limit: float) -> None:
    """End a start: wait until it is complete, or for `limit` seconds, as only then its process can be killed."""
    await asyncio.wait([starting], timeout=limit)
    await asyncio.to_thread(lambda: processes.kill(*_drivers(before)))
    await asyncio.wait([starting], timeout=limit)
    if starting.done() and not starting.cancelled() and starting.exception() is None:
        await asyncio.wait([asyncio.get_running_loop().create_task(starting.result().stop())], timeout=limit)


def _drivers(before: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return the new drivers among the child processes, the newest last."""
    return [child for child in processes.children(before) if "run-driver" in (processes.command(child.pid) or ())]


async def launched(
    folder: Path | None, context: Mapping[str, Any], playwright: Playwright, executable: Path, settings: PageSettings
) -> tuple[Browser, BrowserContext | None]:
    """Start a Chromium: with a folder and its one context, or without a folder, so that it keeps nothing."""
    if folder is None:
        return await launch(playwright, executable, settings), None
    opened = await launch_in(folder, context, playwright, executable, settings)
    if opened.browser is None:
        raise BrowserError("This Playwright is too old: it gives no access to a browser with its own folder.")
    return opened.browser, opened


async def launch(playwright: Playwright, executable: Path, settings: PageSettings) -> Browser:
    """Start a Chromium that keeps nothing on disk."""
    options = await _options(executable, settings)
    try:
        return await playwright.chromium.launch(**options)
    except PlaywrightError as error:
        raise SetupError(chromium.explain_launch(str(error), executable)) from error


async def launch_in(
    folder: Path, context: Mapping[str, Any], playwright: Playwright, executable: Path, settings: PageSettings
) -> BrowserContext:
    """Start a Chromium with the user data `folder` and one context; `context` are that context's options.

    Such a folder does not keep session cookies, so they are taken from the `storage_state`.
    """
    await asyncio.to_thread(_unlock, folder)
    options = await _options(executable, settings)
    more = {name: value for name, value in context.items() if name != "storage_state"}
    if proxy := more.get("proxy"):  # else Playwright appends it after our exceptions, which it overrides there
        more["proxy"] = {**proxy, "bypass": f"<-loopback>,{proxy['bypass']}"}
    try:
        opened = await playwright.chromium.launch_persistent_context(folder, **options, **more)
    except PlaywrightError as error:
        raise SetupError(chromium.explain_launch(str(error), executable)) from error
    state = context.get("storage_state") or {}
    await opened.add_cookies([one for one in state.get("cookies", ()) if one.get("expires", -1) == -1])
    return opened


async def _options(executable: Path, settings: PageSettings) -> dict[str, Any]:
    """Return the launch options of every Chromium of the bridge."""
    browser = settings.browser
    need_screen(browser)
    return {
        "executable_path": executable,
        "headless": not browser.headed,
        "chromium_sandbox": chromium.sandboxed(browser),
        "args": chromium.switches(browser),
        "ignore_default_args": list(chromium.UNWANTED),
        "env": await asyncio.to_thread(chromium.environment, settings.folders.config / "run" / "openers"),
        "slow_mo": browser.slow_mo,
        "traces_dir": settings.folders.trace_work,
        "handle_sigint": False,
        "handle_sigterm": False,
        "handle_sighup": False,
        "timeout": settings.turn.ready * 1000,
    }


def need_screen(settings: BrowserSettings) -> None:
    """Raise `SetupError` if a headed browser is set and there is no screen."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if settings.headed and sys.platform == "linux" and not has_screen:
        raise SetupError("A headed browser needs a screen and there is none; try `xvfb-run bridge ...`.")


def _unlock(folder: Path) -> None:
    """Remove the lock of a Chromium on another host, which a re-created container leaves behind.

    Chromium handles a lock of this host itself, as it knows whether the process still runs.
    """
    with suppress(OSError):
        host = os.readlink(folder / LOCKS[0]).rpartition("-")[0]
        if host != socket.gethostname():
            for name in LOCKS:
                (folder / name).unlink(missing_ok=True)
