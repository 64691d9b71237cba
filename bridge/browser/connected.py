"""Connects to a remote browser, through Chromium's debugger or a Playwright server.

A debugger's browser belongs to the operator: the bridge opens its own contexts in it, and changes nothing else. A
Playwright server starts a browser for each connection and ends it with the connection; one started by `launch-server`
has one browser for all, with separate contexts for each connection.
"""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.async_api import Browser, Playwright
from playwright.async_api import Error as PlaywrightError

from bridge.browser import chromium
from bridge.browser.debugger_lookup import find_websocket
from bridge.browser.launch import Driver
from bridge.browser.page_calls import first_line, within
from bridge.browser.running_browser import RunningBrowser, line_to
from bridge.browser_address import BrowserAddress
from bridge.errors import BrowserError
from bridge.printable import as_line
from bridge.settings import BrowserSettings, PageSettings

SLACK = 5.0
"""Seconds after Playwright's own limit of a connection in which it should report the error."""
LONGEST = 300
"""Most characters of a server's message in an error."""
URL = re.compile(r"\b(?:wss?|https?)://\S+", re.IGNORECASE)
SERVER_VERSION = re.compile(r"server version: v(\d+\.\d+)")
OWN_VERSION = re.compile(r"client version: v(\d+\.\d+)")
NO_BROWSER = (
    "{address} does not have the requested browser. Run `playwright install chromium` there; or start the server "
    "with --unsafe and name its Chromium in browser.executable (whoever reaches it can then run programs there)."
)
OTHER_VERSION = (
    "{address} is a Playwright server of version {theirs}, and this bridge has {ours}: install the same minor version "
    "on both sides (`pip install 'playwright=={ours}.*'`)."
)
NO_SANDBOX = (
    "The browser at {address} could not start its sandbox: run the server as a user who may have one, or disable it "
    "with browser.sandbox = false."
)
NO_ANSWER = "{address} gave no browser within {limit:g} seconds: it hangs, or its --max-clients are connected."
WRONG_PATH = "{address} answers, but not at this path: use the address that the server printed at its start."


async def connected(driver: Driver, address: BrowserAddress, settings: PageSettings) -> RunningBrowser:
    """Connect to the browser at `address`; raise a `BrowserError` with advice and without secrets."""
    call_limit = settings.browser.call_limit
    async with within(settings.turn.ready + SLACK, f"The browser at {address} was not connected to"):
        browser = await _connect(driver.playwright, address, settings)
    session, _ = await line_to(browser, call_limit)
    async with within(call_limit, "The browser did not tell its version"):
        agent = str((await session.send("Browser.getVersion"))["userAgent"])
    running = RunningBrowser(driver, browser, session, None, None, is_headless="Headless" in agent)
    browser.on("disconnected", running.went)
    return running


async def _connect(playwright: Playwright, address: BrowserAddress, settings: PageSettings) -> Browser:
    try:
        if address.protocol == "playwright":
            return await playwright.chromium.connect(
                address.url,
                headers={"x-playwright-launch-options": json.dumps(_wanted(settings))},
                slow_mo=settings.browser.slow_mo,
                timeout=settings.turn.ready * 1000,
            )
        return await _attach(playwright, address, settings)
    except PlaywrightError as error:
        # without its cause, which would show the secrets in the address
        raise BrowserError(_explained(str(error), address, settings.turn.ready)) from None


async def _attach(playwright: Playwright, address: BrowserAddress, settings: PageSettings) -> Browser:
    """Connect to a debugger without changing the operator's tabs."""
    is_known = address.parts.scheme in ("ws", "wss")
    browser = await playwright.chromium.connect_over_cdp(
        address.url if is_known else await find_websocket(address, settings.browser.call_limit),
        artifacts_dir=settings.folders.trace_work,
        no_defaults=True,
        slow_mo=settings.browser.slow_mo,
        timeout=settings.turn.ready * 1000,
    )
    for context in browser.contexts:
        context.on("dialog", lambda _: None)  # else Playwright would answer the dialogs of the operator's tabs
    return browser


def _wanted(settings: PageSettings) -> dict[str, Any]:
    """Return the launch options for a Playwright server; without --unsafe it uses only the first two."""
    browser = settings.browser
    return {
        "headless": not browser.headed,
        "channel": None if browser.executable else _channel(browser),
        "executablePath": browser.executable and str(browser.executable),
        "chromiumSandbox": browser.sandbox is not False,
        "args": chromium.switches(browser),
        "ignoreDefaultArgs": list(chromium.UNWANTED),
        "timeout": settings.turn.ready * 1000,
    }


def _channel(settings: BrowserSettings) -> str:
    """Return Playwright's name for the kind of browser; without one it would take its headless shell."""
    return settings.channel or ("chromium-headless-shell" if settings.shell else "chromium")


def _explained(message: str, address: BrowserAddress, limit: float) -> str:
    if theirs := SERVER_VERSION.search(message):
        ours = OWN_VERSION.search(message)
        return OTHER_VERSION.format(address=address, theirs=theirs[1], ours=ours[1] if ours else "another one")
    if "xecutable doesn't exist" in message or "is not found at" in message:
        return NO_BROWSER.format(address=address)
    if any(sign in message for sign in chromium.SANDBOX_SIGNS):
        return NO_SANDBOX.format(address=address)
    if "400 Bad Request" in message:
        return WRONG_PATH.format(address=address)
    if address.protocol == "playwright" and "Timeout " in first_line(PlaywrightError(message)):
        return NO_ANSWER.format(address=address, limit=limit)
    said = URL.sub(str(address), first_line(PlaywrightError(message)))
    return f"The browser at {address} cannot be connected to: {as_line(said[:LONGEST])}"
