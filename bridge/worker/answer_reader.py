"""Reads one turn's answer: parts of the network traffic in, events out, and a limit for every wait.

An answer may come in several responses. Where it broke off at its budget, the page is asked to go on.
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
"""Seconds that the page gets to go on with another response after one that did not finish the answer."""
RECONNECT_LIMIT = 10.0
"""The same for the browser, which connects an `EventSource` again after three seconds, or what the site says."""

CUT = Finish("length")
EARLY = "the site ended its response before the answer was over"

GoOn = Callable[[], Awaitable[bool]]


async def read_answer(
    exchange: Exchange, decoder: Decoder, limits: TurnSettings, timeline: Timeline, go_on: GoOn | None = None
) -> AsyncGenerator[ChatEvent]:
    """Yield the answer's events up to `Finish`; raise the `SiteError` that the site's answer or silence means.

    `go_on` makes the page continue an answer that broke off at its budget, and tells whether it could. What then
    refuses or breaks the continuation is raised after `Finish`: the client has all that was written.
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
            if decoder.patience != 0:  # else it has an error of its own to raise
                parts.judge(part)


def placed(event: ChatEvent, conversation: str | None, *, names_answers: bool = True) -> ChatEvent:
    """Return an event with the id of its conversation, where the request had that; else the answer brings it.

    An answer that the site has no id for gets one, by which a conversation is known that has gone on since.
    """
    if not isinstance(event, Opened):
        return event
    message = event.message if names_answers else uuid4().hex
    return replace(event, conversation=conversation or event.conversation, message=message)


class _Parts:
    """The parts of the turn's traffic; knows how long the next one may take, and what its absence means."""

    def __init__(self, exchange: Exchange, limits: TurnSettings) -> None:
        self._exchange = exchange
        self._channels = exchange.channels
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.total
        self._patience = limits.first_byte
        self._since = self._clock()
        """When there was the last sign that the answer goes on."""
        self._ends_at: float | None = None
        """Until when an error may follow an answer that is over but for that."""
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
        """Return the next part; None where an answer that is over but for an error has got none of that in time."""
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
        """Return the events that a part completes; after a refusal the page may repeat its prompt, on some sites."""
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
        """Raise why the answer is over without `Finish`, after a part with which it must end."""
        if isinstance(part, ResponseEnded) and part.is_final:
            raise SiteError(f"The answer broke off: {part.failure or EARLY}.")

    async def go_on(self, press: GoOn) -> bool:
        """Let the cut answer's response end, and the page go on with another one; tell whether it does."""
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
        """Leave out what is left of the response before; tell whether another one begins."""
        self._wait(limit)
        with suppress(SiteError):
            while not isinstance(part := await self.next(), PageResponse):
                pass
            self._kept = part
        return self._kept is not None

    def _wait(self, patience: float) -> None:
        """Wait so many seconds from now for the next part."""
        self._since, self._patience = self._clock(), patience

    def _too_long(self) -> SiteError:
        if self._broken is not None:
            return SiteError(f"The answer broke off: {self._broken}.")
        if self._clock() >= self._deadline:
            return SiteTimeout("The answer took longer than the setting turn.total allows.")
        return SiteTimeout(f"The site sent nothing for {self._patience:g} seconds.")


class _Responses:
    """Gives the parts of responses, some of which may be open at a time, to the decoder."""

    def __init__(self, decoder: Decoder, timeline: Timeline) -> None:
        self._decoder = decoder
        self._timeline = timeline
        self._open: dict[int, PageResponse] = {}
        self.current = 0
        """The number of the response that was read last."""

    def decode(self, part: Part | None) -> Sequence[ChatEvent]:
        """Return the events that a part completes, or that it completes that none has come."""
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
                return ()  # the page may pick the answer up again with another request
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
    """Return how the answer has broken off, if the part says so and no other one follows.

    What comes separately does not end with one of its responses, nor where the page itself has given one up.
    """
    match part:
        case ResponseEnded(None):
            return None if is_separate else EARLY
        case ResponseEnded(failure):
            return None if is_separate and failure in NO_NET_ERRORS else failure
        case _:
            return None
