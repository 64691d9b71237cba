"""Brings one turn to the gate: the conversation opened, the prompt typed, Enter pressed until the page sends.

What is turned back at the gate has cost nothing, so it is simply tried again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from bridge.attach import attach
from bridge.browser import Chromium, within
from bridge.errors import SiteChanged, UnknownConversation
from bridge.exchange import Exchange, WrongSend
from bridge.session import Session
from bridge.settings import Settings
from bridge.sites.base import ConversationGone, Turn
from bridge.turns import fitted

SEND_TRIES = 3
"""How often a chat may be brought to the gate; nothing has left the browser before it passes."""
NUDGES = (0.1, 0.2, 0.3)
"""Seconds after which Enter is pressed again, as long as nothing came to the gate; the last one repeats."""
TYPED = 1_000_000
"""Characters of a prompt for which the page gets a second more before Enter is pressed again."""


async def send(session: Session, exchange: Exchange, turns: list[Turn], settings: Settings, chromium: Chromium) -> None:
    """Bring the first of `turns` to the gate; what was turned back there has cost nothing and is tried again.

    A turn that cannot go on where it should is dropped for the next one, which begins a new conversation.
    """
    wrong: WrongSend | None = None
    for _ in range(SEND_TRIES):
        turns[0] = fitted(turns[0], type(session.driver), settings.files)
        try:
            async with within(settings.turn.ready, "The page opened no chat"):
                await session.driver.open(turns[0])
            await attach(session, exchange, turns[0], settings, chromium)
            return await _press_until_sent(session, exchange, turns[0], settings)
        except WrongSend as turned_back:
            is_hopeless, wrong = wrong is not None, turned_back
        except ConversationGone as gone:
            if len(turns) == 1:
                message = "The site does not have that conversation any more."
                raise UnknownConversation(message, param="conversation_id") from gone
            is_hopeless = True
        if is_hopeless and len(turns) > 1:
            turns.pop(0)
    raise SiteChanged(f"The page did not send what it was asked to, and was stopped before it did: {wrong}.")


async def _press_until_sent(session: Session, exchange: Exchange, turn: Turn, settings: Settings) -> None:
    """Press Enter until a request comes to the gate; a page that is still being built ignores the first ones."""
    pauses, before = iter(NUDGES), session.traffic.count
    patience = len(turn.prompt) / TYPED
    deadline = time.monotonic() + settings.turn.submit
    while time.monotonic() < deadline:
        async with within(settings.turn.submit, "The page took no prompt"):
            await session.driver.submit(turn)
        with suppress(TimeoutError):
            async with asyncio.timeout(next(pauses, NUDGES[-1]) + patience):
                await exchange.sent()
                return
    async with within(settings.browser.call_limit, "The page did not say why it sent nothing"):
        raise await session.driver.unsent(session.traffic.commands(before))
