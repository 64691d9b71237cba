"""Sees to it that the site does not keep generating: when a chat is over, whoever ended it, or after an earlier run."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

from bridge.browser.exchange import Exchange
from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError
from bridge.settings import TurnSettings
from bridge.sites.contract import ConversationGone
from bridge.worker.session import Session

STOP_AGAIN = 0.5
"""Seconds after which the stop button is pressed again."""
TAKE_UP = 2.0
"""Seconds in which a page that shows an old conversation takes up the answer that is still being written there."""


async def settle(session: Session, exchange: Exchange, grace: float, limit: float) -> None:
    """Give the site `grace` seconds to end by itself, then press stop until it has; `BrowserError` after `limit`."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await exchange.quiet()
        async with asyncio.timeout(limit):
            while exchange.open_responses and not exchange.is_lost:
                await _press_stop(session, exchange, limit)
    except (TimeoutError, BridgeError) as error:
        raise BrowserError(f"The page did not stop generating ({error or 'it goes on'}).") from error


async def stop_leftover(session: Session, conversation: str, limits: TurnSettings) -> None:
    """Stop what an earlier run has left behind in a conversation: the page takes it up, and is told to stop."""
    with session.interceptor.exchange(lambda held: session.driver.strays(conversation, held)) as exchange:
        try:
            async with within(limits.ready, "The page did not open an old conversation"):
                await session.driver.revisit(conversation)
            async with asyncio.timeout(TAKE_UP):
                await exchange.busy()
            await settle(session, exchange, 0, limits.stop)
            logger.info("Stopped an answer that an earlier run had left behind")
        except (ConversationGone, TimeoutError):
            pass  # nothing is being written there
        except BrowserError as error:
            logger.warning("An answer that an earlier run had left behind could not be stopped: {}", error.message)


async def _press_stop(session: Session, exchange: Exchange, limit: float) -> None:
    async with within(limit, "The stop button could not be pressed"):
        await session.driver.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_AGAIN):
            await exchange.quiet()
