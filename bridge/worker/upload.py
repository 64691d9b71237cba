"""Sees to it that a turn's files are with the site before the prompt is, or that the chat ends with the reason."""

from __future__ import annotations

import asyncio

from bridge.browser.browser import Chromium
from bridge.browser.exchange import Exchange
from bridge.browser.page_calls import within
from bridge.errors import FileRejected, SiteError
from bridge.settings import Settings
from bridge.sites.contract import Turn
from bridge.worker.session import Session


async def attach(session: Session, exchange: Exchange, turn: Turn, settings: Settings, chromium: Chromium) -> None:
    """Upload the files, if there are any; raise what ended the page as soon as the turn's `exchange` knows."""
    if not turn.attachments:
        return
    limit = settings.turn.upload
    uploading = asyncio.get_running_loop().create_task(session.driver.attach(turn, limit))
    ended = asyncio.get_running_loop().create_task(exchange.sent())
    for task in (uploading, ended):
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may be that nobody asks
    try:
        async with within(limit + settings.browser.call_limit, "The page did not take the files"):
            await asyncio.wait({uploading, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            await uploading
    except (FileRejected, SiteError):
        await chromium.check()  # without its network, the page's failure says nothing about the files
        raise
    finally:
        uploading.cancel()
        ended.cancel()
        await asyncio.wait({uploading, ended})
