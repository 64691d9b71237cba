"""How a browser comes to be there: started by us, also with a folder of its own, or attached to, as the operator's is.

All of it goes through a Playwright driver, a process of its own, which is started and stopped here, too.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from bridge.browser import chromium
from bridge.browser.page_calls import first_line, within
from bridge.errors import BridgeError, BrowserError, SetupError
from bridge.settings import BrowserSettings, Settings

LOCKS = ("SingletonLock", "SingletonCookie", "SingletonSocket")
"""What says in a folder that a Chromium uses it."""


async def start_driver(limit: float, stop_limit: float) -> Playwright:
    """Start Playwright's driver; a start that is given up goes on to its end first, else its process would stay."""
    starting = asyncio.get_running_loop().create_task(async_playwright().start())
    try:
        async with within(limit, "Playwright's driver did not start"):
            return await asyncio.shield(starting)
    except BaseException as error:
        with suppress(Exception, asyncio.CancelledError):
            async with asyncio.timeout(stop_limit):
                await stop_driver(await starting, stop_limit)
        if isinstance(error, BridgeError) or not isinstance(error, Exception):
            raise
        raise SetupError(chromium.NO_DRIVER) from error


async def stop_driver(playwright: Playwright, limit: float) -> None:
    """Stop Playwright's driver, and with it every browser that it has started."""
    with suppress(BrowserError):
        async with within(limit, "Playwright's driver did not stop"):
            await playwright.stop()


async def launch(playwright: Playwright, executable: Path, settings: Settings) -> Browser:
    """Start a Chromium that keeps nothing on disk."""
    options = await _options(executable, settings)
    try:
        return await playwright.chromium.launch(**options)
    except PlaywrightError as error:
        raise SetupError(chromium.explain_launch(str(error), executable)) from error


async def launch_in(
    folder: Path, context: Mapping[str, Any], playwright: Playwright, executable: Path, settings: Settings
) -> BrowserContext:
    """Start a Chromium that keeps everything in `folder`, with its one context; `context` are the options of that.

    What such a folder loses are cookies that end with the browser: they are taken from the `storage_state`.
    """
    await asyncio.to_thread(_unlock, folder)
    options = await _options(executable, settings)
    more = {name: value for name, value in context.items() if name != "storage_state"}
    if proxy := more.get("proxy"):  # else Playwright puts that behind our exception, where it takes it back
        more["proxy"] = {**proxy, "bypass": f"<-loopback>,{proxy['bypass']}"}
    try:
        opened = await playwright.chromium.launch_persistent_context(folder, **options, **more)
    except PlaywrightError as error:
        raise SetupError(chromium.explain_launch(str(error), executable)) from error
    state = context.get("storage_state") or {}
    await opened.add_cookies([one for one in state.get("cookies", ()) if one.get("expires", -1) == -1])
    return opened


async def attach(playwright: Playwright, address: str, settings: Settings) -> Browser:
    """Attach to the browser whose debugger listens at `address`, without changing anything of its own tabs."""
    try:
        browser = await playwright.chromium.connect_over_cdp(
            address,
            artifacts_dir=settings.trace_work,
            no_defaults=True,
            slow_mo=settings.browser.slow_mo,
            timeout=settings.turn.ready * 1000,
        )
    except PlaywrightError as error:
        raise BrowserError(f"The browser at {address} cannot be attached to: {first_line(error)}") from error
    for context in browser.contexts:
        context.on("dialog", lambda _: None)  # else Playwright would answer what a tab asks its user
    return browser


async def _options(executable: Path, settings: Settings) -> dict[str, Any]:
    """Return with which options each Chromium of ours is launched."""
    browser = settings.browser
    need_screen(browser)
    return {
        "executable_path": executable,
        "headless": not browser.headed,
        "chromium_sandbox": chromium.sandboxed(browser),
        "args": chromium.switches(browser),
        "ignore_default_args": list(chromium.UNWANTED),
        "env": await asyncio.to_thread(chromium.environment, settings.config / "run" / "openers"),
        "slow_mo": browser.slow_mo,
        "traces_dir": settings.trace_work,
        "handle_sigint": False,
        "handle_sigterm": False,
        "handle_sighup": False,
        "timeout": settings.turn.ready * 1000,
    }


def need_screen(settings: BrowserSettings) -> None:
    """Raise `SetupError` where windows are wanted and there is no screen."""
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if settings.headed and sys.platform == "linux" and not has_screen:
        raise SetupError("A headed browser needs a screen and there is none; try `xvfb-run bridge ...`.")


def _unlock(folder: Path) -> None:
    """Take away the lock of a Chromium on another host, which a container that was made anew leaves behind.

    One of this host is left to Chromium, which knows whether its process still runs.
    """
    with suppress(OSError):
        host = os.readlink(folder / LOCKS[0]).rpartition("-")[0]
        if host != socket.gethostname():
            for name in LOCKS:
                (folder / name).unlink(missing_ok=True)
