"""Whose response it is: the page may tell of a request before it is held, or after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge.browser.channels import Channels
from bridge.browser.exchange import Exchange, ResponseEnded
from bridge.browser.page_messages import PageRequest
from bridge.browser.response_reader import ResponseReader
from bridge.browser.tab_session import TabSession

URL = "https://site.test/chat"
TOLD = {"requestId": "1", "request": {"url": URL}}


class Events:
    """The events of a page, by hand."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {}

    def on(self, name: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self.handlers[name] = handler

    async def send(self, method: str, **_: object) -> dict[str, Any]:
        return {"body": "", "base64Encoded": False}


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_a_request_of_the_document_that_left_is_over_however_early_the_page_told_of_it(
    *, is_told_first: bool
) -> None:
    page, exchange = Events(), Exchange()
    reader = ResponseReader(cast(TabSession, page), Channels("https://site.test", ("/chat",)), lambda: exchange)
    reader.start()
    if is_told_first:
        page.handlers["Network.requestWillBeSent"](TOLD)
    exchange.mark_sent(PageRequest("POST", URL, b""), reader.tap_prompt("1", exchange))
    if not is_told_first:
        page.handlers["Network.requestWillBeSent"](TOLD)
    reader.on_document("the page went to another document")
    part = await exchange.receive()
    assert isinstance(part, ResponseEnded)
    assert part.failure is not None
    await reader.close()


async def test_a_request_that_the_new_document_has_not_told_of_yet_goes_on() -> None:
    page, exchange = Events(), Exchange()
    reader = ResponseReader(cast(TabSession, page), Channels("https://site.test", ("/chat",)), lambda: exchange)
    reader.start()
    exchange.mark_sent(PageRequest("POST", URL, b""), reader.tap_prompt("1", exchange))
    reader.on_document("the page went to another document")
    assert exchange.open_responses == 1
    await reader.close()
