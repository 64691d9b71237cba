"""Stops generation on the site once a chat has ended, and answers that an earlier run has left generating."""

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
"""Seconds without a visible answer after which a page's response counts as one that only stays open."""
STOP_AGAIN = 0.5
"""Seconds between two presses of the stop button."""
LOOK_AGAIN = 0.05
"""Seconds between two checks of a page with a separate answer."""
LOOK_LIMIT = 5.0
COMMAND_LIMIT = 2.0
"""Seconds that the site has to answer the page's request to stop."""
RESUME_WITHIN = 2.0
"""Seconds within which a page that opens an old conversation resumes an answer that is still generated."""


def grace_after(error: BridgeError, limits: TurnSettings) -> float:
    """Return the seconds that the site has to end its response by itself after `error`.

    The site ends a response that it refused. It does not know of errors on the bridge's side, and continues an answer
    that is only too slow.
    """
    is_refusal = isinstance(error, SiteError) and not isinstance(error, SiteTimeout)
    return limits.end if is_refusal else 0.0


class GenerationStopper:
    """Stops generation on the site once a chat of one account has ended, and records where it may still continue.

    The record is in the file `kept`, and in the ownership: after a killed bridge, its next start or the next owner
    stops the generation.
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
        """Record that the site generates in the conversation."""
        self._tasks.start(self._unfinished.add(conversation))

    async def stopped(self, session: Session, exchange: Exchange, grace: float) -> None:
        """Wait until the site has stopped generating; after `grace` seconds, press the page's stop button.

        If it does not stop, give up the page. A client that leaves meanwhile does not end this: the task ends within
        its limits, and the chat waits for it, because the page is busy until then.
        """
        stopping = self._tasks.start(self._stop(session, exchange, grace))
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({stopping})
            except asyncio.CancelledError:
                self._give_up(BrowserError("The page was abandoned in the middle of an answer."))
            raise

    async def stop_leftovers(self, session: Session) -> None:
        """Stop the answers that an earlier run or an earlier owner has left generating."""
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
    """Wait `grace` seconds for the site to end by itself, then press stop until it has.

    Raise `BrowserError` after `limit` seconds. A response that stays open counts as ended once its answer has ended or
    stop was pressed, and the page shows no more generation.
    """
    try:
        await _ended_by_itself(session, exchange, grace)
        before, may_rest = session.request_log.count, grace > 0
        async with asyncio.timeout(limit):
            while await _is_generating(session, exchange) and not (may_rest and await _is_at_rest(session)):
                await _press_stop(session, exchange, limit)
                may_rest = True
        await _commands_answered(session, before)
    except (TimeoutError, BridgeError) as error:
        raise BrowserError(f"The page did not stop generating ({str(error) or 'it still generates'}).") from error


async def stop_leftover(session: Session, conversation: str, limits: TurnSettings) -> None:
    """Stop an answer that an earlier run has left generating: the page resumes it, then stops it."""
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
            pass  # no answer is being generated there
        except BrowserError as error:
            logger.warning("An answer that an earlier run had left behind could not be stopped: {}", error.message)


async def _press_stop(session: Session, exchange: Exchange, limit: float) -> None:
    session.may_act()
    with suppress(PageMovedOn):  # a page that re-renders with each word; stop is pressed again
        async with within(limit, "The stop button could not be pressed"), session.window.restored():
            await session.driver.stop()
    await _ended(session, exchange, STOP_AGAIN)


async def _commands_answered(session: Session, before: int) -> None:
    """Wait until the site has answered the page's requests since `before`: closing the page earlier could drop them."""
    with suppress(TimeoutError):
        async with asyncio.timeout(COMMAND_LIMIT):
            while session.request_log.has_open_commands(before):
                await asyncio.sleep(LOOK_AGAIN)


async def _is_generating(session: Session, exchange: Exchange) -> bool:
    """Tell whether the site still generates; only the page can tell for a separate answer."""
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
    """Tell whether the page shows no generation, so that its response only stays open, as on some sites."""
    try:
        async with within(LOOK_LIMIT, "The page did not tell whether it generates"):
            return await session.driver.is_generating() is False
    except PageMovedOn:
        return True


async def _ended_by_itself(session: Session, exchange: Exchange, grace: float) -> None:
    """Wait until the site has stopped generating, or only leaves its response open; at most `grace` seconds."""
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
    """Wait until the site has stopped generating, at most `limit` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await exchange.quiet()
            while await _is_generating(session, exchange):
                await asyncio.sleep(LOOK_AGAIN)
