"""Reads one turn's answer: parts of the network traffic in, events out, and a limit for every wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import assert_never

from bridge.chat import ChatEvent, Finish, Text, Thinking
from bridge.errors import SiteError, SiteTimeout
from bridge.intercept import Chunk, Exchange, Part, ResponseEnded
from bridge.settings import TurnSettings
from bridge.sites.base import Decoder, PageResponse
from bridge.telemetry import Timeline

RESUME_LIMIT = 5.0
"""Seconds that the page gets to go on with another response after one that did not finish the answer."""


async def listen(
    exchange: Exchange, decoder: Decoder, limits: TurnSettings, timeline: Timeline
) -> AsyncGenerator[ChatEvent]:
    """Yield the answer's events up to `Finish`; raise the `SiteError` that the site's answer or silence means."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.total
    patience = limits.first_byte
    broken: str | None = None
    while True:
        try:
            async with asyncio.timeout(min(patience, deadline - clock())):
                part = await exchange.receive()
        except TimeoutError as error:
            raise _too_long(broken, late=clock() >= deadline, silent_for=patience) from error
        broken = _failure(part)
        patience = RESUME_LIMIT if isinstance(part, ResponseEnded) else limits.silence
        if isinstance(part, Chunk):
            timeline.mark("first_byte")
        for event in _decode(decoder, part):
            if isinstance(event, Text | Thinking):
                timeline.mark("first_token")
            yield event
            if isinstance(event, Finish):
                return


def _decode(decoder: Decoder, part: Part) -> Sequence[ChatEvent]:
    match part:
        case PageResponse():
            decoder.begin(part)
            return ()
        case Chunk(data):
            return decoder.feed(data)
        case ResponseEnded(None):
            return decoder.end()
        case ResponseEnded():
            return ()  # the page may pick the answer up again with another request
        case _:
            assert_never(part)


def _failure(part: Part) -> str | None:
    match part:
        case ResponseEnded(None):
            return "the site ended its response before the answer was over"
        case ResponseEnded(failure):
            return failure
        case _:
            return None


def _too_long(broken: str | None, *, late: bool, silent_for: float) -> SiteError:
    if broken is not None:
        return SiteError(f"The answer broke off: {broken}.")
    if late:
        return SiteTimeout("The answer took longer than the setting turn.total allows.")
    return SiteTimeout(f"The site sent nothing for {silent_for:g} seconds.")
