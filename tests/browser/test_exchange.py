"""What one turn makes of the requests that the gate holds, without a browser."""

from __future__ import annotations

import asyncio

import pytest

from bridge.browser.exchange import Exchange, WrongSend
from bridge.browser.page_messages import PageRequest

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
