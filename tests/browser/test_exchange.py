"""What one turn makes of the requests that the gate holds, without a browser."""

from __future__ import annotations

import asyncio

import pytest

from bridge.browser.exchange import Exchange, WrongSend
from bridge.browser.page_messages import PageRequest
from bridge.errors import BrowserError

FIRST = PageRequest("POST", "https://a.example/first", b"first")
SECOND = PageRequest("POST", "https://a.example/first", b"second")


async def test_nothing_may_leave_before_it_is_said_what_is_expected() -> None:
    exchange = Exchange()
    reasons = exchange.reject_reasons(FIRST)
    assert reasons == ("the page was not asked to send anything yet",)
    exchange.mark_rejected(reasons)
    with pytest.raises(WrongSend, match="was not asked to send anything yet"):
        async with asyncio.timeout(60):
            await exchange.sent()


async def test_a_request_is_judged_by_the_turn_that_is_expected_when_it_is_held() -> None:
    exchange = Exchange()
    exchange.expect(lambda held: () if held == FIRST else ("it is not the first",))
    assert exchange.reject_reasons(SECOND) == ("it is not the first",)
    exchange.expect(lambda held: () if held == SECOND else ("it is not the second",))
    assert exchange.reject_reasons(FIRST) == ("it is not the second",)
    assert exchange.reject_reasons(SECOND) == ()


def judged(exchange: Exchange, request: PageRequest) -> None:
    """Judge a held request, and let it leave or not."""
    if reasons := exchange.reject_reasons(request):
        exchange.mark_rejected(reasons)
    else:
        exchange.mark_sent(request)


@pytest.mark.parametrize("is_waited_for", [False, True])
async def test_a_request_that_passes_behind_a_rejected_one_is_sent(*, is_waited_for: bool) -> None:
    exchange = Exchange(lambda held: () if held == SECOND else ("it is of the turn before",))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        if is_waited_for:
            group.create_task(exchange.sent())
            await asyncio.sleep(0)
        judged(exchange, FIRST)
        judged(exchange, SECOND)
        await exchange.sent()
    assert exchange.passed == [SECOND]


@pytest.mark.parametrize("is_rejected", [False, True])
async def test_what_ends_a_turn_is_raised_also_behind_a_rejected_request(*, is_rejected: bool) -> None:
    exchange = Exchange(lambda _: ("it is of the turn before",))
    async with asyncio.timeout(60):
        if is_rejected:
            judged(exchange, FIRST)
        exchange.interrupt(BrowserError("The page crashed."))
        with pytest.raises(BrowserError, match="crashed"):
            await exchange.sent()
