"""Uploads a turn's files before its prompt is sent; a failed upload ends the chat with the reason."""

from __future__ import annotations

import asyncio

from bridge.browser.browser import Chromium
from bridge.browser.exchange import Exchange
from bridge.browser.page_calls import within
from bridge.errors import FileRejected, SiteError
from bridge.sites.contract import Turn
from bridge.worker.page_session import Session

SLACK = 10.0
"""Seconds after the limit in which the driver itself should report the error."""


async def upload_files(session: Session, exchange: Exchange, turn: Turn, limit: float, chromium: Chromium) -> None:
    """Upload the turn's files, if any, within `limit` seconds; raise an error that ends the page meanwhile."""
    if not turn.attachments:
        return
    session.may_act()
    uploading = asyncio.get_running_loop().create_task(session.driver.attach(turn, limit))
    ended = asyncio.get_running_loop().create_task(exchange.sent())
    for task in (uploading, ended):
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # the result may not be used
    try:
        async with within(limit + SLACK, "The page did not take the files"):
            await asyncio.wait({uploading, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            await uploading
    except (FileRejected, SiteError):
        await chromium.check()  # if the browser lost its network, the failure says nothing about the files
        raise
    finally:
        uploading.cancel()
        ended.cancel()
        await asyncio.wait({uploading, ended})
