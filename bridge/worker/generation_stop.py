"""Stops generation on the site once a chat has ended, and what an earlier run has left generating."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from loguru import logger

from bridge.browser.exchange import Exchange
from bridge.browser.page_calls import PageMovedOn, within
from bridge.chat.ownership import Ownership
from bridge.errors import BridgeError, BrowserError, SiteError, SiteTimeout
from bridge.settings import TurnSettings
from bridge.sites.contract import ConversationGone
from bridge.storage.unfinished_chats import UnfinishedChats
from bridge.tasks import Tasks
from bridge.worker.page_session import Session

REST = 0.3
"""Seconds for which a page must show no answer any more before its response counts as one that only stays open."""
STOP_AGAIN = 0.5
"""Seconds after which the stop button is pressed again."""
LOOK_AGAIN = 0.05
"""Seconds between two looks at a page whose answer comes separately."""
LOOK_LIMIT = 5.0
TELL_LIMIT = 2.0
"""Seconds that the site gets to answer what the page told it when stop was pressed."""
RESUME_WITHIN = 2.0
"""Seconds after which a page that shows an old conversation would have resumed an answer that is still generated."""


def grace_after(error: BridgeError, limits: TurnSettings) -> float:
    """Return the seconds that the site gets to end its response by itself after `error`.

    The site ends what it refused. It does not know of what ended the chat on our side, and goes on with an answer that
    it only writes too slowly.
    """
    is_refusal = isinstance(error, SiteError) and not isinstance(error, SiteTimeout)
    return limits.end if is_refusal else 0.0


class GenerationStopper:
    """Stops generation on the site once a chat of one account has ended, and knows where it may still go on.

    That is kept in the file `kept`, and by the ownership: a bridge that is killed stops nothing; the next start does,
    or the next owner.
    """

    def __init__(
        self,
        kept: Path | None,
        ownership: Callable[[], Ownership],
        limits: TurnSettings,
        give_up: Callable[[BridgeError], None],
    ) -> None:
        self._ownership = ownership
        self._unfinished = UnfinishedChats(kept, lambda open_: ownership().generates(open_))
        self._limits = limits
        self._give_up = give_up
        self._tasks = Tasks()

    def begun(self, conversation: str) -> None:
        """Note that the site generates in the conversation."""
        self._tasks.start(self._unfinished.add(conversation))

    async def stopped(self, session: Session, exchange: Exchange, grace: float) -> None:
        """Return when the site generates no more; after `grace` seconds press the page's stop button until it does not.

        Where it does not stop, the page is given up. A client that leaves in the meantime does not end this: the task
        ends by itself within its limits, and the chat waits for it, because the page is busy until then.
        """
        stopping = self._tasks.start(self._stop(session, exchange, grace))
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({stopping})
            except asyncio.CancelledError:
                self._give_up(BrowserError("The page was left in the middle of an answer."))
            raise

    async def stop_leftovers(self, session: Session) -> None:
        """Stop what an earlier run has left generating, or an earlier owner."""
        for conversation in await self._unfinished.load(self._ownership().left_generating):
            await stop_leftover(session, conversation, self._limits)
            await self._unfinished.remove(conversation)

    async def _stop(self, session: Session, exchange: Exchange, grace: float) -> None:
        try:
            await stop_generation(session, exchange, grace, self._limits.stop)
        except BrowserError as error:
            self._give_up(error)
            return
        conversation = session.driver.conversation_of(exchange.passed[0]) if exchange.passed else None
        if conversation is not None and not exchange.is_lost:
            await self._unfinished.remove(conversation)


async def stop_generation(session: Session, exchange: Exchange, grace: float, limit: float) -> None:
    """Give the site `grace` seconds to end by itself, then press stop until it has; `BrowserError` after `limit`.

    A response that stays open is over once its answer is, or stop was pressed, and the page shows that it is at rest.
    """
    try:
        await _ended_by_itself(session, exchange, grace)
        before, may_rest = session.request_log.count, grace > 0
        async with asyncio.timeout(limit):
            while await _is_generating(session, exchange) and not (may_rest and await _is_at_rest(session)):
                await _press_stop(session, exchange, limit)
                may_rest = True
        await _told(session, before)
    except (TimeoutError, BridgeError) as error:
        raise BrowserError(f"The page did not stop generating ({str(error) or 'it goes on'}).") from error


async def stop_leftover(session: Session, conversation: str, limits: TurnSettings) -> None:
    """Stop the answer that an earlier run has left generating in a conversation: the page resumes it, then stops it."""
    with session.interceptor.exchange(partial(session.driver.resume_mismatches, conversation)) as exchange:
        try:
            session.may_act()
            async with within(limits.ready, "The page did not open an old conversation"):
                await session.driver.open_old_conversation(conversation)
            async with asyncio.timeout(RESUME_WITHIN):
                await exchange.busy()
            await stop_generation(session, exchange, 0, limits.stop)
            logger.info("Stopped an answer that an earlier run had left behind")
        except (ConversationGone, TimeoutError):
            pass  # nothing is being written there
        except BrowserError as error:
            logger.warning("An answer that an earlier run had left behind could not be stopped: {}", error.message)


async def _press_stop(session: Session, exchange: Exchange, limit: float) -> None:
    session.may_act()
    with suppress(PageMovedOn):  # a page that draws itself again with each word: it is pressed again
        async with within(limit, "The stop button could not be pressed"), session.window.restored():
            await session.driver.stop()
    await _ended(session, exchange, STOP_AGAIN)


async def _told(session: Session, before: int) -> None:
    """Return when the site has answered what the page told it since: one that is closed earlier may tell it nothing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TELL_LIMIT):
            while session.request_log.is_telling(before):
                await asyncio.sleep(LOOK_AGAIN)


async def _is_generating(session: Session, exchange: Exchange) -> bool:
    """Tell whether the site is still at the answer; where that comes separately, only the page can tell."""
    if exchange.is_lost or not exchange.passed:
        return False
    if exchange.open_responses:
        return True
    if not exchange.channels.is_separate:
        return False
    try:
        async with within(LOOK_LIMIT, "The page did not tell whether it generates"):
            return bool(await session.driver.is_generating())
    except PageMovedOn:
        return False


async def _is_at_rest(session: Session) -> bool:
    """Tell whether the page shows no answer any more: then its response only stays open, as some sites leave theirs."""
    try:
        async with within(LOOK_LIMIT, "The page did not tell whether it generates"):
            return await session.driver.is_generating() is False
    except PageMovedOn:
        return True


async def _ended_by_itself(session: Session, exchange: Exchange, grace: float) -> None:
    """Return when the site is not at the answer any more, or only leaves its response open; after `grace` seconds."""
    clock = asyncio.get_running_loop().time
    end, rested = clock() + grace, False
    while (left := end - clock()) > 0:
        await _ended(session, exchange, min(REST, left))
        if not await _is_generating(session, exchange):
            return
        rests = await _is_at_rest(session)
        if rests and rested:
            return
        rested = rests


async def _ended(session: Session, exchange: Exchange, limit: float) -> None:
    """Return when the site is not at the answer any more, or after `limit` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await exchange.quiet()
            while await _is_generating(session, exchange):
                await asyncio.sleep(LOOK_AGAIN)
