"""Replaces a browser that has grown or is old by a second one, without losing a chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from loguru import logger

from bridge.browser.browser import Chromium
from bridge.durations import HOUR, MINUTE
from bridge.errors import BridgeError
from bridge.settings import MEBIBYTE, BrowserSettings
from bridge.tasks import Tasks

LOOK_EVERY = MINUTE
"""Seconds between two checks of the browser."""
LEAST_AGE = 10 * MINUTE
"""Least seconds that a browser runs: one that is large from the start would be replaced forever."""


@asynccontextmanager
async def browser_renewal(
    chromium: Chromium, settings: BrowserSettings, look_every: float = LOOK_EVERY
) -> AsyncGenerator[None]:
    """Replace the browser when that is due, while the context is open."""
    tasks = Tasks()

    async def look_again() -> None:
        while True:
            await asyncio.sleep(look_every)
            try:
                if reason := await why_due(chromium, settings):
                    await chromium.replace(reason)
            except BridgeError as error:
                logger.warning("The browser was not replaced: {}", error.message)

    if (
        settings.address is None or settings.address.protocol == "playwright"
    ):  # a debugger would give the same one again
        tasks.keep(look_again)
    try:
        yield
    finally:
        await tasks.close()


async def why_due(chromium: Chromium, settings: BrowserSettings, least_age: float = LEAST_AGE) -> str | None:
    """Return why the browser should be replaced, or None."""
    running = chromium.running
    if running is None:
        return None
    age = time.monotonic() - running.started
    if settings.restart_hours and age >= settings.restart_hours * HOUR:
        return f"the old one has run for {age / HOUR:.1f} hours (browser.restart_hours)"
    size = await running.own_memory(settings.call_limit) / MEBIBYTE if age >= least_age else 0.0
    if settings.restart_memory and size > settings.restart_memory:
        return f"the old one takes {size:.0f} MiB without its pages (browser.restart_memory)"
    return None
