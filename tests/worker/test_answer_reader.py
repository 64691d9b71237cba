"""An answer that broke off at its budget is gone on with where the page can, and is what there is where it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext

import pytest

from bridge.browser.channels import Channels
from bridge.browser.exchange import Chunk, Exchange, ResponseEnded
from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Text
from bridge.errors import BrowserError, SiteError
from bridge.settings import TurnSettings
from bridge.sites.answer_decoder import DeferredErrorDecoder
from bridge.sites.contract import Decoder
from bridge.telemetry import Timeline
from bridge.worker.answer_reader import read_answer

FIRST = PageRequest("POST", "https://a.example/first", b"")
NEXT = PageRequest("POST", "https://a.example/next", b"")
LIMITS = TurnSettings(first_byte=0.5, silence=0.2)


class Words(Decoder):
    """A decoder for which each chunk is a text, and an empty one the end at the budget."""

    def begin(self, response: PageResponse) -> None:
        """Begin."""

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take a chunk."""
        return [Text(data.decode())] if data else [Finish("length")]

    def end(self) -> Sequence[ChatEvent]:
        """End."""
        return ()


def answer(exchange: Exchange, request: PageRequest, *chunks: bytes) -> None:
    exchange.mark_sent(request, 1)
    exchange.put(1, PageResponse(request.url, 200, number=1))
    for chunk in chunks:
        exchange.put(1, Chunk(chunk, 1))
    exchange.put(1, ResponseEnded(number=1))


async def heard(
    exchange: Exchange, press: Callable[[], Awaitable[bool]], decoder: Decoder | None = None
) -> list[ChatEvent]:
    answer = read_answer(exchange, decoder or Words(), LIMITS, Timeline("", ""), press)
    async with asyncio.timeout(30), aclosing(answer) as events:
        return [event async for event in events]


async def fail() -> bool:
    raise BrowserError("The page did not continue the answer within 3 seconds.")


async def find_nothing() -> bool:
    return False


async def press_in_vain() -> bool:
    return True


@pytest.mark.parametrize("press", [fail, find_nothing, press_in_vain])
async def test_an_answer_that_cannot_be_continued_is_what_there_is(press: Callable[[], Awaitable[bool]]) -> None:
    exchange = Exchange(lambda _: ())
    answer(exchange, FIRST, b"Hel", b"")
    assert await heard(exchange, press) == [Text("Hel"), Finish("length")]


async def test_an_answer_that_is_continued_is_one() -> None:
    exchange = Exchange(lambda _: ())
    answer(exchange, FIRST, b"Hel", b"")

    async def press() -> bool:
        exchange.mark_sent(NEXT, 2)
        asyncio.get_running_loop().call_soon(go_on)
        return True

    def go_on() -> None:
        for part in (PageResponse(NEXT.url, 200), Chunk(b"lo"), Chunk(b""), ResponseEnded()):
            exchange.put(2, part)

    presses = iter([press, find_nothing])
    assert await heard(exchange, lambda: next(presses)()) == [Text("Hel"), Text("lo"), Finish("length")]


class Patient(Words):
    """A decoder for which an empty chunk is the end, if no other one follows."""

    is_ending = False

    @property
    def patience(self) -> float | None:
        """Return how long another chunk may follow."""
        return 0.01 if self.is_ending else None

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take a chunk."""
        if self.is_ending:
            raise SiteError("Too many people.")
        self.is_ending = not data
        return [Text(data.decode())] if data else []

    def expired(self) -> Sequence[ChatEvent]:
        """End."""
        return [Finish()]


@pytest.mark.parametrize("follows", [False, True])
async def test_an_error_may_follow_the_end_for_as_long_as_the_decoder_says(follows: bool) -> None:
    exchange = Exchange(lambda _: ())
    exchange.mark_sent(FIRST, 1)
    exchange.put(1, PageResponse(FIRST.url, 200))
    for chunk in (b"Hel", b"", *([b"error"] if follows else [])):
        exchange.put(1, Chunk(chunk))
    told: list[ChatEvent] = []
    async with asyncio.timeout(30), aclosing(read_answer(exchange, Patient(), LIMITS, Timeline("", ""))) as events:
        with pytest.raises(SiteError, match="Too many people") if follows else nullcontext():
            async for event in events:
                told += [event]
    assert told == ([Text("Hel")] if follows else [Text("Hel"), Finish()])


class Deferring(DeferredErrorDecoder, Words):
    """A decoder for which a chunk may hold an error behind its text."""

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take a chunk."""
        self._raise_failure()
        self._failure = SiteError("Too many people.") if b"!" in data else None
        return [Text(data.decode().rstrip("!"))]


@pytest.mark.parametrize("ends", [None, ResponseEnded("net::ERR_ABORTED"), ResponseEnded(is_final=True)])
async def test_an_error_behind_the_last_text_is_raised_though_nothing_more_comes(ends: ResponseEnded | None) -> None:
    exchange = Exchange(lambda _: (), Channels(is_separate=True))
    exchange.mark_sent(FIRST)
    exchange.deliver(PageResponse(FIRST.url, 200))
    exchange.deliver(Chunk(b"Hel!"))
    if ends is not None:
        exchange.deliver(ends)
    with pytest.raises(SiteError, match="Too many people"):
        await heard(exchange, find_nothing, Deferring())


class Refusing(Words):
    """A decoder for which a chunk may be a refusal."""

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take a chunk."""
        if data == b"captcha":
            raise SiteError("Solve the captcha.")
        return super().feed(data)


@pytest.mark.slow
async def test_a_refusal_that_is_read_when_the_page_has_repeated_its_prompt_already_is_not_the_answer() -> None:
    exchange = Exchange(lambda _: (), Channels(sends=2))
    for number, chunk in ((1, b"captcha"), (2, b"Hel")):
        assert exchange.reject_reasons(FIRST) == ()
        exchange.mark_sent(FIRST, number)
        exchange.put(number, PageResponse(FIRST.url, 200, number=number))
        exchange.put(number, Chunk(chunk, number))
    exchange.put(2, Chunk(b"", 2))
    assert await heard(exchange, find_nothing, Refusing()) == [Text("Hel"), Finish("length")]
