"""What comes by several channels is given on in the order in which it came, while the rest of one is still fetched."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, cast

from bridge.browser.arrival_order import ArrivalOrder
from bridge.browser.channels import Channels
from bridge.browser.exchange import Chunk, Exchange, ResponseEnded
from bridge.browser.page_messages import PageRequest
from bridge.browser.response_reader import ResponseReader
from bridge.browser.socket_reader import SocketReader
from bridge.browser.tab_session import TabSession
from tests.support.waiting import LIMIT

SITE = Channels("https://site.test", ("/socket.io/",), sockets=("/socket.io/",))
POLL = "https://site.test/socket.io/?transport=polling"


def test_what_comes_after_a_channel_that_is_held_waits_for_its_rest() -> None:
    order, given = ArrivalOrder(), list[str]()

    def put(number: int, text: str) -> None:
        order.put(number, lambda: given.append(text))

    put(1, "a")
    order.hold(1)
    put(2, "c")
    order.hold(3)
    put(2, "e")
    put(3, "d")
    put(1, "b")
    assert given == ["a"]
    order.release(3)
    assert given == ["a"]
    order.release(1)
    assert given == list("abcde")
    put(1, "f")
    assert given == list("abcdef")


class Tab:
    """A page by hand; bodies that it is asked for come on order."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {}
        self.body_comes = asyncio.Event()
        self.is_asked = asyncio.Event()

    def on(self, name: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self.handlers[name] = handler

    async def send(self, method: str, **_: object) -> dict[str, Any]:
        self.is_asked.set()
        await self.body_comes.wait()
        return {"body": "first", "base64Encoded": False}

    def tells(self, name: str, **event: object) -> None:
        self.handlers[f"Network.{name}"]({"requestId": "1", "timestamp": 0.0, **event})


class Page:
    """The two readers of one page, whose turn may run."""

    def __init__(self) -> None:
        self.tab, order = Tab(), ArrivalOrder()
        session = cast(TabSession, self.tab)
        self.turn: Exchange | None = None
        self.responses = ResponseReader(session, SITE, lambda: self.turn, order)
        self.sockets = SocketReader(session, SITE, lambda: self.turn, self.responses.next_number, order)
        self.responses.start()
        self.sockets.start()

    def polls(self) -> None:
        """Get a poll that is over before it could be read."""
        self.responses.tap_channel("1")
        self.tab.tells("responseReceived", response={"url": POLL, "status": 200, "headers": {}})
        self.tab.tells("dataReceived", dataLength=5)
        self.tab.tells("loadingFinished")

    def hears(self, data: str) -> None:
        """Get a message of a socket."""
        frame = {"opcode": 2, "payloadData": base64.b64encode(data.encode()).decode()}
        self.tab.tells("webSocketFrameReceived", requestId="2", response=frame)


def running() -> Exchange:
    exchange = Exchange()
    exchange.mark_sent(PageRequest("POST", POLL, b""))
    return exchange


async def chunks_of(turn: Exchange, number: int) -> list[bytes]:
    found = list[bytes]()
    async with asyncio.timeout(LIMIT):
        while len(found) < number:
            part = await turn.receive()
            if isinstance(part, Chunk) and part.data:
                found.append(part.data)
    return found


async def test_a_message_of_the_socket_does_not_overtake_the_poll_before_it() -> None:
    page = Page()
    page.turn = running()
    page.tab.tells("webSocketCreated", requestId="2", url="wss://site.test/socket.io/")
    page.polls()
    page.hears("second")
    await page.tab.is_asked.wait()
    page.tab.body_comes.set()
    assert await chunks_of(page.turn, 2) == [b"first", b"second"]
    await page.responses.close()


async def test_a_poll_that_was_over_before_the_prompt_left_is_no_part_of_its_answer() -> None:
    page = Page()
    page.tab.tells("webSocketCreated", requestId="2", url="wss://site.test/socket.io/")
    page.polls()
    await page.tab.is_asked.wait()
    page.turn = running()
    page.hears("second")
    page.tab.body_comes.set()
    assert await chunks_of(page.turn, 1) == [b"second"]
    await page.responses.close()


async def test_a_socket_that_brought_nothing_ends_a_turn_only_where_the_page_does_not_poll() -> None:
    page = Page()
    page.turn = running()
    page.tab.tells("webSocketCreated", requestId="2", url="wss://site.test/socket.io/")
    page.tab.tells("webSocketClosed", requestId="2")
    page.tab.tells("webSocketCreated", requestId="2", url="wss://site.test/socket.io/")
    page.hears("answer")
    page.tab.tells("webSocketClosed", requestId="2")
    async with asyncio.timeout(LIMIT):
        parts = [await page.turn.receive() for _ in range(3)]
    assert [type(part).__name__ for part in parts] == ["PageResponse", "Chunk", "ResponseEnded"]
    assert parts[1:] == [Chunk(b"answer"), ResponseEnded(is_final=True)]
