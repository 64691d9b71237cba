"""What a channel that is older than the turn gives it: whole frames that came after the prompt, and nothing before."""

from __future__ import annotations

import asyncio

from bridge.browser.answer_channel import AnswerChannel
from bridge.browser.exchange import Chunk, Exchange, Part, ResponseEnded
from bridge.browser.page_messages import PageRequest, PageResponse

EVENTS = PageResponse("https://a.example/events", 200, {"content-type": "text/event-stream; charset=utf-8"})
LINES = PageResponse("https://a.example/lines", 200, {"content-type": "application/x-ndjson"})
BEFORE, AFTER = b"data: old\n\ndata: older\r\n\r\n", b"data: new\n\ndata: newer\r\n\r\n"
PROMPT = PageRequest("POST", "https://a.example/prompt", b"")


async def parts_of(exchange: Exchange, number: int) -> list[Part]:
    async with asyncio.timeout(30):
        return [await exchange.receive() for _ in range(number)]


async def test_a_turn_that_begins_in_the_middle_of_an_event_gets_the_next_one_first() -> None:
    for cut in range(len(BEFORE + AFTER)):
        await check_turn_that_begins_at(cut)


async def check_turn_that_begins_at(cut: int) -> None:
    exchange, turns = Exchange(), list[Exchange]()
    channel = AnswerChannel(lambda: turns[-1] if turns else None, 7)
    stream = BEFORE + AFTER
    channel.put(EVENTS)
    for at in range(len(stream)):
        if at == cut:
            turns.append(exchange)
        channel.put(Chunk(stream[at : at + 1]))
    turns.append(exchange)
    channel.put(ResponseEnded())
    assert (await parts_of(exchange, 1))[0] == EVENTS
    got = b"".join(part.data for part in await parts_of(exchange, len(stream) - cut) if isinstance(part, Chunk))
    ends = [len(b"data: old\n\n"), len(BEFORE), len(BEFORE) + len(b"data: new\n\n"), len(stream)]
    begins = next(end for end in (0, *ends) if end >= cut)
    assert got.lstrip(b"\r\n") == stream[begins:].lstrip(b"\r\n")
    assert await exchange.receive() == ResponseEnded()


async def test_a_turn_that_begins_in_the_middle_of_a_line_gets_the_next_one_first() -> None:
    exchange, turns = Exchange(), list[Exchange]()
    channel = AnswerChannel(lambda: turns[-1] if turns else None, 7)
    channel.put(LINES)
    channel.put(Chunk(b'{"a": 1}\n{"a"'))
    turns.append(exchange)
    channel.put(Chunk(b': 2}\n{"a": 3}\n'))
    assert await parts_of(exchange, 2) == [LINES, Chunk(b'{"a": 3}\n')]


async def test_each_turn_hears_of_a_channel_that_outlives_it() -> None:
    turns = [Exchange(), Exchange()]
    channel = AnswerChannel(lambda: turns[-1], 7)
    channel.put(EVENTS)
    channel.put(Chunk(b"data: 2\n\n"))
    second = turns.pop()
    channel.put(Chunk(b"data: 1\n\n"))
    assert await parts_of(second, 2) == [EVENTS, Chunk(b"data: 2\n\n")]
    assert await parts_of(turns[0], 2) == [EVENTS, Chunk(b"data: 1\n\n")]
