"""Reads one turn's answer: parts of the network traffic in, events out, and a limit for every wait.

An answer may come in several responses. If it broke off at its length limit, the page is made to continue it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import assert_never
from uuid import uuid4

from bridge.browser.exchange import Chunk, Exchange, Part, ResponseEnded
from bridge.browser.page_calls import NO_NET_ERRORS
from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Text, Thinking
from bridge.errors import BridgeError, SiteError, SiteTimeout
from bridge.settings import TurnSettings
from bridge.sites.contract import Decoder
from bridge.telemetry import Timeline

RESUME_LIMIT = 5.0
"""Seconds in which the page must continue with another response after one that did not finish the answer."""
RECONNECT_LIMIT = 10.0
"""The same for the browser, which reconnects an `EventSource` after three seconds, or as the site tells it."""

CUT = Finish("length")
EARLY = "the site ended its response before the answer was over"

GoOn = Callable[[], Awaitable[bool]]


async def read_answer(
    exchange: Exchange, decoder: Decoder, limits: TurnSettings, timeline: Timeline, go_on: GoOn | None = None
) -> AsyncGenerator[ChatEvent]:
    """Yield the answer's events up to `Finish`; raise a `SiteError` for a refusal, a broken answer or silence.

    `go_on` makes the page continue an answer that broke off at its length limit, and tells whether it could. An error
    of the continuation is raised after `Finish`, as the client has all that was written.
    """
    parts, continued = _Parts(exchange, limits), 0
    responses = _Responses(decoder, timeline)
    exchange.on_chunk = timeline.arrived
    while True:
        try:
            part = await parts.next_within(decoder.patience)
            events = await parts.decoded(responses, part)
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
        else:
            if decoder.patience != 0:  # else the decoder raises its own error
                parts.judge(part)


def placed(event: ChatEvent, conversation: str | None, *, names_answers: bool = True) -> ChatEvent:
    """Return an event with the id of its conversation from the request, if it had one; else from the answer.

    An answer without an id of the site gets one, so that a later continuation of the conversation can be detected.
    """
    if not isinstance(event, Opened):
        return event
    message = event.message if names_answers else uuid4().hex
    return replace(event, conversation=conversation or event.conversation, message=message)


class _Parts:
    """The parts of the turn's traffic, with the limit for the next one and the error if it does not come."""

    def __init__(self, exchange: Exchange, limits: TurnSettings) -> None:
        self._exchange = exchange
        self._channels = exchange.channels
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.total
        self._patience = limits.first_byte
        self._since = self._clock()
        """When the last sign came that the answer continues."""
        self._ends_at: float | None = None
        """Until when an error may follow an answer that is otherwise complete."""
        self._broken: str | None = None
        self._kept: Part | None = None

    async def next(self) -> Part:
        """Return the next part."""
        if self._kept is not None:
            part, self._kept = self._kept, None
            return part
        try:
            async with asyncio.timeout_at(min(self._since + self._patience, self._deadline)):
                part = await self._exchange.receive()
        except TimeoutError as error:
            raise self._too_long() from error
        self._broken = _failure(part, is_separate=self._channels.is_separate)
        if isinstance(part, ResponseEnded) and part.is_resumed:
            self._broken = part.failure or EARLY
            self._wait(min(RECONNECT_LIMIT, self._limits.silence))
        elif self._broken is not None and not self._channels.is_separate:
            self._wait(min(RESUME_LIMIT, self._limits.silence))
        elif self._channels.heartbeats_count:
            self._wait(self._limits.silence)
        return part

    async def next_within(self, patience: float | None) -> Part | None:
        """Return the next part; None if the answer is complete and no error has followed within `patience` seconds."""
        if patience is None:
            self._ends_at = None
            return await self.next()
        ends_at = self._clock() + patience
        self._ends_at = ends_at if self._ends_at is None else min(self._ends_at, ends_at)
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self.next()
        except TimeoutError:
            return None

    async def decoded(self, responses: _Responses, part: Part | None) -> Sequence[ChatEvent]:
        """Return the events that a part completes; on some sites, the page may repeat its prompt after a refusal."""
        try:
            events = responses.decode(part)
        except SiteError:
            if not self._exchange.may_repeat(responses.current) or not await self._next_response(RESUME_LIMIT):
                raise
            return ()
        if events:
            self._wait(self._limits.silence)
        return events

    def judge(self, part: Part | None) -> None:
        """Raise a `SiteError` if a part must be the last one, as the answer has ended without `Finish`."""
        if isinstance(part, ResponseEnded) and part.is_final:
            raise SiteError(f"The answer broke off: {part.failure or EARLY}.")

    async def go_on(self, press: GoOn) -> bool:
        """Wait for the end of a cut answer's response, make the page continue it, and tell whether it does."""
        try:
            self._wait(RESUME_LIMIT)
            while self._exchange.open_responses:
                await self.next()
            if not await press():
                return False
            async with asyncio.timeout(min(RESUME_LIMIT, self._limits.first_byte)):
                await self._exchange.busy()
            return await self._next_response(self._limits.first_byte)
        except (TimeoutError, BridgeError):
            return False

    async def _next_response(self, limit: float) -> bool:
        """Skip the rest of the current response; tell whether another one begins."""
        self._wait(limit)
        with suppress(SiteError):
            while not isinstance(part := await self.next(), PageResponse):
                pass
            self._kept = part
        return self._kept is not None

    def _wait(self, patience: float) -> None:
        """Set the limit for the next part to `patience` seconds from now."""
        self._since, self._patience = self._clock(), patience

    def _too_long(self) -> SiteError:
        if self._broken is not None:
            return SiteError(f"The answer broke off: {self._broken}.")
        if self._clock() >= self._deadline:
            return SiteTimeout("The answer took longer than the setting turn.total allows.")
        return SiteTimeout(f"The site sent nothing for {self._patience:g} seconds.")


class _Responses:
    """The responses of an answer, several of which may be open at a time; passes their parts to the decoder."""

    def __init__(self, decoder: Decoder, timeline: Timeline) -> None:
        self._decoder = decoder
        self._timeline = timeline
        self._open: dict[int, PageResponse] = {}
        self.current = 0
        """The number of the last response that was read."""

    def decode(self, part: Part | None) -> Sequence[ChatEvent]:
        """Return the events that a part completes, or for None, those that the end of the wait completes."""
        if part is None:
            return self._decoder.expired()
        self._select(part.number)
        match part:
            case Chunk(data):
                self._timeline.mark("first_byte")
                return self._decoder.feed(data)
            case PageResponse():
                self._open[part.number] = part
                self._decoder.begin(part)
                return ()
            case ResponseEnded(None) if not part.is_resumed:
                self._open.pop(part.number, None)
                return self._decoder.end()
            case ResponseEnded():
                self._open.pop(part.number, None)
                return ()  # the page may resume the answer with another request
            case _:
                assert_never(part)

    def _select(self, number: int) -> None:
        if number != self.current and number in self._open:
            self._decoder.select(self._open[number])
        self.current = number


def _mark(timeline: Timeline, event: ChatEvent) -> None:
    match event:
        case Text() | Thinking():
            timeline.mark("first_token")
        case Finish():
            timeline.mark("answered")


def _failure(part: Part, *, is_separate: bool) -> str | None:
    """Return how the answer broke off, if a part shows that and no other one follows.

    A separate answer does not end with one of its responses, nor when the page itself gives one up.
    """
    match part:
        case ResponseEnded(None):
            return None if is_separate else EARLY
        case ResponseEnded(failure):
            return None if is_separate and failure in NO_NET_ERRORS else failure
        case _:
            return None
