"""Submits one turn: opens the conversation, types the prompt, and presses Enter until the page's request is held.

A request that is wrong is rejected before it leaves the browser. It has cost the account nothing, so the turn is tried
again.
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
"""How often a turn is submitted; all but the last one were rejected before they left the browser."""
NUDGES = (0.1, 0.2, 0.3)
"""Seconds after which Enter is pressed again while no request was held; the last one repeats."""
TYPED = 1_000_000
"""Characters of a prompt for which the page gets a second more before Enter is pressed again."""

CONNECT_LIMIT = 3.0
"""Seconds that the page's channels get to connect before a prompt."""
LOOK_EVERY = 0.01
GRACE = 2.0
"""Seconds that a page gets to show a chat all the same after one of its calls was refused."""
FEW = 10
"""A page is not said to ignore Enter before it has been pressed so many times, however slow the page is."""


async def submit_turn(
    session: Session,
    exchange: Exchange,
    turns: Sequence[Turn],
    limits: TurnSettings,
    files: FileSettings,
    chromium: Chromium,
    timeline: Timeline,
) -> Turn:
    """Submit the first of `turns` that the site takes, and return it.

    A turn whose conversation is gone, or that was rejected twice, is dropped for the next one, which begins a new
    conversation.
    """
    turn, *others = turns
    wrong: WrongSend | None = None
    for _ in range(SEND_TRIES):
        turn = await asyncio.to_thread(fitted, turn, type(session.driver), files)
        # before anything is done in the page: a control that is clicked, or a draft that it kept, may make it send
        exchange.expect(partial(_reject_reasons, session, turn))
        try:
            await _send(session, exchange, turn, limits, chromium, timeline)
            return turn
        except WrongSend as rejected:
            if exchange.passed:
                return turn  # the right one came behind it
            is_hopeless, wrong = wrong is not None, rejected
        except ConversationGone as gone:
            if not others:
                message = "The site does not have that conversation any more."
                raise UnknownConversation(message, param="conversation_id") from gone
            is_hopeless = True
        if is_hopeless and others:
            turn, *others = others
    if wrong is not None and all(isinstance(reason, AlteredPrompt) for reason in wrong.reasons):
        session.driver.drift.note("altered prompt")
        raise RequestError(f"The site's page alters this prompt, so it was not sent: {wrong}. Change its wording.")
    raise SiteChanged(f"The page did not send what it was asked to, and was stopped before it did: {wrong}.")


def _reject_reasons(session: Session, turn: Turn, request: PageRequest) -> Sequence[str]:
    """Return why a held request must not leave; the last moment at which that is asked."""
    try:
        session.may_act()
    except LeaseLost as error:
        return (error.message,)
    return session.driver.mismatches(turn, request)


async def _send(
    session: Session, exchange: Exchange, turn: Turn, limits: TurnSettings, chromium: Chromium, timeline: Timeline
) -> None:
    """Bring up the turn's chat and make the page send; a page that reloads meanwhile is made to send again."""
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
                return  # the prompt has left, and the page with it, as some do on their first turn
            if not tries_left:
                raise
        else:
            return


async def _open(session: Session, turn: Turn, limits: TurnSettings) -> None:
    async with _unhurried(session, limits.ready), session.failing_on_refusal(GRACE):
        await session.driver.open(turn)


async def _channels_connected(session: Session) -> None:
    """Wait for channels on which the site says an answer to whoever listens then; one that never comes ends no chat."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_LIMIT):
            while session.interceptor.is_connecting:
                await asyncio.sleep(LOOK_EVERY)


@asynccontextmanager
async def _unhurried(session: Session, limit: float) -> AsyncGenerator[None]:
    """Allow `limit` seconds to open the chat; where the page only waits for the site, it is the site that is slow."""
    before = session.request_log.count
    try:
        async with within(limit, "The page opened no chat"):
            yield
    except BrowserError as error:
        if isinstance(error.__cause__, TimeoutError) and session.request_log.is_waiting(before):
            raise SendTimeout(f"The site did not answer within {limit:g} seconds, and nothing was sent.") from error
        raise


async def _press_until_sent(session: Session, exchange: Exchange, turn: Turn, limits: TurnSettings) -> None:
    """Press Enter until a request comes to the gate; a page that is still being built ignores the first ones.

    A page that is at work on the prompt (a proof of work, a site that is slow) is left to it for as long as a site has
    for its first byte.
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
    """Press the page's Continue, which has `limit` seconds; tell whether there was one."""
    session.may_act()
    async with within(limit, "The page did not go on"), session.window.restored():
        return await session.driver.go_on()
