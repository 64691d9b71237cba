"""Hands an open page over to a person, and takes it back when the person leaves or has solved the site's check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bridge.browser.page_calls import within
from bridge.chat.operator_visit import Visit
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.tasks import first
from bridge.worker.page_loss import PageLoss
from bridge.worker.page_session import Session

LOOK_EVERY = 0.5
"""Seconds between two checks whether the person is done."""


async def hand_over_page(
    session: Session, visit: Visit, lost: PageLoss, limit: float, ready: Callable[[], Awaitable[None]]
) -> None:
    """Hand over the page and wait until the account has it back and `ready`; raise why it is not, or was lost."""
    try:
        async with session.visited():
            visit.began.set()
            solved = _solved(session, visit, limit) if visit.wants_solving else visit.over.wait()
            await first(visit.over.wait(), solved, lost.raised())
        if not visit.is_solved:
            if visit.stays_parked:
                raise BridgeError("The person has left the page as it was.")
            await session.renew(limit)  # the new page drops whatever the person began
        await ready()
    except BridgeError as error:
        visit.end(error if lost.happened else None)
        raise
    finally:
        visit.end()


async def looks_ready(session: Session, limit: float) -> bool:
    """Tell whether the page accepts prompts; a person must solve whatever prevents it."""
    try:
        async with within(limit, "The page was not ready"):
            await session.driver.ready()
    except (SiteError, BrowserError):
        return False
    return True


async def _solved(session: Session, visit: Visit, limit: float) -> None:
    while not await looks_ready(session, limit):
        await asyncio.sleep(LOOK_EVERY)
    visit.solve()
