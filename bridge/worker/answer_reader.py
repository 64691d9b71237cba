"""Reads one turn's answer: parts of the network traffic in, events out, and a limit for every wait.

An answer may come in several responses. Where it broke off at its budget, the page is asked to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import assert_never

from bridge.browser.exchange import Chunk, Exchange, Part, ResponseEnded
from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Text, Thinking
from bridge.errors import BridgeError, SiteError, SiteTimeout
from bridge.settings import TurnSettings
from bridge.sites.contract import Decoder
from bridge.telemetry import Timeline

RESUME_LIMIT = 5.0
"""Seconds that the page gets to go on with another response after one that did not finish the answer."""

CUT = Finish("length")

GoOn = Callable[[], Awaitable[bool]]


async def read_answer(
    exchange: Exchange, decoder: Decoder, limits: TurnSettings, timeline: Timeline, go_on: GoOn | None = None
) -> AsyncGenerator[ChatEvent]:
    """Yield the answer's events up to `Finish`; raise the `SiteError` that the site's answer or silence means.

    `go_on` makes the page continue an answer that broke off at its budget, and tells whether it could. What then
    refuses or breaks the continuation is raised after `Finish`: the client has all that was written.
    """
    parts, continued = _Parts(exchange, limits), 0
    exchange.on_chunk = timeline.arrived
    while True:
        try:
            part = await _next_within(decoder.patience, parts)
            events = decoder.expired() if part is None else _decode(decoder, part, timeline)
        except BridgeError:
            if continued:
                yield CUT
            raise
        for event in events:
            if event == CUT and continued < limits.continues and go_on and await parts.go_on(go_on):
                continued += 1
                break
            _mark(timeline, event)
            yield event
            if isinstance(event, Finish):
                return


async def _next_within(patience: float | None, parts: _Parts) -> Part | None:
    """Return the next part; None where an answer that is over but for an error has got none in time."""
    if patience is None:
        return await parts.next()
    try:
        async with asyncio.timeout(patience):
            return await parts.next()
    except TimeoutError:
        return None


def placed(event: ChatEvent, conversation: str | None) -> ChatEvent:
    """Return an event with the id of its conversation, where the request had that; else the answer brings it."""
    if conversation is None or not isinstance(event, Opened):
        return event
    return replace(event, conversation=conversation)


class _Parts:
    """The parts of the turn's traffic; knows how long the next one may take, and what its absence means."""

    def __init__(self, exchange: Exchange, limits: TurnSettings) -> None:
        self._exchange = exchange
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.total
        self._patience = limits.first_byte
        self._broken: str | None = None
        self._kept: Part | None = None

    async def next(self) -> Part:
        """Return the next part."""
        if self._kept is not None:
            part, self._kept = self._kept, None
            return part
        try:
            async with asyncio.timeout(min(self._patience, self._deadline - self._clock())):
                part = await self._exchange.receive()
        except TimeoutError as error:
            raise self._too_long() from error
        self._broken = _failure(part)
        has_ended = isinstance(part, ResponseEnded)
        self._patience = min(RESUME_LIMIT, self._limits.silence) if has_ended else self._limits.silence
        return part

    async def go_on(self, press: GoOn) -> bool:
        """Let the cut answer's response end, and the page go on with another one; tell whether it does."""
        try:
            self._patience = RESUME_LIMIT
            while self._exchange.open_responses:
                await self.next()
            if not await press():
                return False
            async with asyncio.timeout(min(RESUME_LIMIT, self._limits.first_byte)):
                await self._exchange.busy()
            self._patience = self._limits.first_byte
            self._kept = await self._skip_old()
        except (TimeoutError, BridgeError):
            return False
        return True

    async def _skip_old(self) -> Part:
        while not isinstance(part := await self.next(), PageResponse):
            pass
        return part

    def _too_long(self) -> SiteError:
        if self._broken is not None:
            return SiteError(f"The answer broke off: {self._broken}.")
        if self._clock() >= self._deadline:
            return SiteTimeout("The answer took longer than the setting turn.total allows.")
        return SiteTimeout(f"The site sent nothing for {self._patience:g} seconds.")


def _decode(decoder: Decoder, part: Part, timeline: Timeline) -> Sequence[ChatEvent]:
    """Return the events that a part completes."""
    match part:
        case Chunk(data):
            timeline.mark("first_byte")
            return decoder.feed(data)
        case PageResponse():
            decoder.begin(part)
            return ()
        case ResponseEnded(None):
            return decoder.end()
        case ResponseEnded():
            return ()  # the page may pick the answer up again with another request
        case _:
            assert_never(part)


def _mark(timeline: Timeline, event: ChatEvent) -> None:
    match event:
        case Text() | Thinking():
            timeline.mark("first_token")
        case Finish():
            timeline.mark("answered")


def _failure(part: Part) -> str | None:
    match part:
        case ResponseEnded(None):
            return "the site ended its response before the answer was over"
        case ResponseEnded(failure):
            return failure
        case _:
            return None
