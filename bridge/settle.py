"""Sees to it that the site does not generate any more when a chat is over, whoever ended it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bridge.browser import within
from bridge.errors import BridgeError, BrowserError
from bridge.exchange import Exchange
from bridge.session import Session

STOP_AGAIN = 0.5
"""Seconds after which the stop button is pressed again."""


async def settle(session: Session, exchange: Exchange, grace: float, limit: float) -> None:
    """Give the site `grace` seconds to end by itself, then press stop until it has; `BrowserError` after `limit`."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await exchange.quiet()
        async with asyncio.timeout(limit):
            while exchange.open_responses:
                await _press_stop(session, exchange, limit)
    except (TimeoutError, BridgeError) as error:
        raise BrowserError(f"The page did not stop generating ({error or 'it goes on'}).") from error


async def _press_stop(session: Session, exchange: Exchange, limit: float) -> None:
    async with within(limit, "The stop button could not be pressed"):
        await session.driver.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_AGAIN):
            await exchange.quiet()
