"""Submits one turn: opens the conversation, types the prompt, and presses Enter until the page's request is held.

A wrong request is rejected before it leaves the browser. It costs the account nothing, so the turn is tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from bridge.browser.browser import Chromium
from bridge.browser.exchange import Exchange, WrongSend
from bridge.browser.page_calls import PageMovedOn, within
from bridge.browser.page_messages import PageRequest
from bridge.errors import (
    BrowserError,
    LeaseLost,
    NetworkError,
    RequestError,
    SendTimeout,
    SiteChanged,
    UnknownConversation,
)
from bridge.settings import FileSettings, TurnSettings
from bridge.sites.contract import ConversationGone, Turn
from bridge.sites.prompt_text import AlteredPrompt
from bridge.telemetry import Timeline
from bridge.worker.page_session import Session
from bridge.worker.turn_plan import fitted
from bridge.worker.upload import upload_files

SEND_TRIES = 3
"""Attempts to submit a turn, each after a request that was rejected before it left the browser."""
NUDGES = (0.1, 0.2, 0.3)
"""Seconds between presses of Enter while no request is held; the last one repeats."""
TYPED = 1_000_000
"""Characters of a prompt per additional second before Enter is pressed again."""

CONNECT_LIMIT = 3.0
"""Seconds that the page's channels have to connect before a prompt."""
LOOK_EVERY = 0.01
GRACE = 2.0
"""Seconds that a page has to show a chat nevertheless after one of its calls was refused."""
FEW = 10
"""Presses of Enter before a page counts as ignoring them, however slow it is."""


async def submit_turn(
    session: Session,
    exchange: Exchange,
    turns: Sequence[Turn],
    limits: TurnSettings,
    files: FileSettings,
    chromium: Chromium,
    timeline: Timeline,
) -> Turn:
    """Submit the first of `turns` that the site accepts, and return it.

    A turn whose conversation is gone, or that was rejected twice, is dropped for the next one, which starts a new
    conversation.
    """
    turn, *others = turns
    wrong: WrongSend | None = None
    for _ in range(SEND_TRIES):
        turn = await asyncio.to_thread(fitted, turn, type(session.driver), files)
        # before any action in the page: a clicked control, or a draft that it kept, may make it send
        exchange.expect(partial(_reject_reasons, session, turn))
        try:
            await _send(session, exchange, turn, limits, chromium, timeline)
            return turn
        except WrongSend as rejected:
            if exchange.passed:
                return turn  # the right request followed it
            is_hopeless, wrong = wrong is not None, rejected
        except ConversationGone as gone:
            if not others:
                message = "The site no longer has that conversation."
                raise UnknownConversation(message, param="conversation_id") from gone
            is_hopeless = True
        if is_hopeless and others:
            turn, *others = others
    if wrong is not None and all(isinstance(reason, AlteredPrompt) for reason in wrong.reasons):
        session.driver.drift.note("altered prompt")
        raise RequestError(f"The site's page alters this prompt, so it was not sent: {wrong}. Change its wording.")
    raise SiteChanged(
        f"The page tried to send something other than the prompt, and was stopped before it did: {wrong}."
    )


def _reject_reasons(session: Session, turn: Turn, request: PageRequest) -> Sequence[str]:
    """Return why a held request must not be sent; this is the last check."""
    try:
        session.may_act()
    except LeaseLost as error:
        return (error.message,)
    return session.driver.mismatches(turn, request)


async def _send(
    session: Session, exchange: Exchange, turn: Turn, limits: TurnSettings, chromium: Chromium, timeline: Timeline
) -> None:
    """Open the turn's chat and make the page send; try again if the page reloads meanwhile."""
    for tries_left in reversed(range(SEND_TRIES)):
        session.may_act()
        try:
            async with session.window.restored():
                await _open(session, turn, limits)
                await _channels_connected(session)
                timeline.mark("opened")
                await upload_files(session, exchange, turn, limits.upload, chromium)
                async with session.failing_on_refusal(0):
                    await _press_until_sent(session, exchange, turn, limits)
        except PageMovedOn:
            if exchange.passed:
                return  # the prompt was sent and the page has reloaded, as some do on their first turn
            if not tries_left:
                raise
        else:
            return


async def _open(session: Session, turn: Turn, limits: TurnSettings) -> None:
    async with _unhurried(session, limits.ready), session.failing_on_refusal(GRACE):
        await session.driver.open(turn)


async def _channels_connected(session: Session) -> None:
    """Wait until the page's answer channels are connected; one that never connects does not end the chat."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_LIMIT):
            while session.interceptor.is_connecting:
                await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def _unhurried(session: Session, limit: float) -> AsyncGenerator[None]:
    """Allow `limit` seconds to open the chat; raise `SendTimeout` if the page only waits for the site."""
    before = session.request_log.count
    try:
        async with within(limit, "The page opened no chat"):
            yield
    except BrowserError as error:
        if isinstance(error.__cause__, TimeoutError) and session.request_log.is_waiting(before):
            raise SendTimeout(f"The site did not answer within {limit:g} seconds, and nothing was sent.") from error
        raise


async def _press_until_sent(session: Session, exchange: Exchange, turn: Turn, limits: TurnSettings) -> None:
    """Press Enter until a request is held; a page that is still loading ignores the first presses.

    A page that is working on the prompt (a proof of work, a slow site) gets as long as a site has for its first byte.
    """
    pauses, before = iter(NUDGES), session.request_log.count
    patience = len(turn.prompt) / TYPED
    begun, presses, is_at_work = time.monotonic(), 0, False
    while time.monotonic() - begun < (limits.first_byte if is_at_work else limits.submit):
        session.may_act()
        async with within(limits.ready, "The page took no prompt"):
            is_at_work = await session.driver.submit(turn)
        presses += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(next(pauses, NUDGES[-1]) + patience):
                await exchange.sent()
                return
        is_at_work = is_at_work or presses < FEW or session.request_log.is_waiting(before)
    async with within(limits.ready, "The page did not say why it sent nothing"):
        reason = await session.driver.why_not_sent(session.request_log.commands(before), is_at_work=is_at_work)
    if isinstance(reason, SiteChanged | SendTimeout) and session.interceptor.is_cut_off:
        raise NetworkError("The page cannot connect its WebSocket to the site, and nothing was sent.")
    raise reason


async def go_on(session: Session, limit: float) -> bool:
    """Press the page's Continue within `limit` seconds; tell whether there was one."""
    session.may_act()
    async with within(limit, "The page did not continue the answer"), session.window.restored():
        return await session.driver.go_on()
