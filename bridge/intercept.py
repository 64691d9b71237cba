"""Guard, tap and byte accounting of one page's answers.

Each request to an answer path is held at the gate (`Fetch.requestPaused`) before it leaves the browser. It is
judged, the tap on its response is ordered, and only then it goes out: so nothing wrong is sent, and somebody listens
when the answer comes. Every byte is counted; what the tap did not deliver is fetched at the end.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from inspect import signature
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser import first_line
from bridge.errors import BridgeError, BrowserError
from bridge.exchange import Chunk, Exchange, Judge, Part, ResponseEnded
from bridge.sites.base import PageRequest, PageResponse
from bridge.tasks import Tasks

EventHandler = Callable[[dict[str, Any]], None]


class Interceptor:
    """Stands between one page and the network, for the paths that carry answers."""

    def __init__(self, session: CDPSession, paths: Sequence[str]) -> None:
        self.session = session
        self._paths = tuple(paths)
        self._exchange: Exchange | None = None
        self._taps: dict[str, _Tap] = {}
        self._tasks = Tasks()

    @classmethod
    async def attach(cls, page: Page, paths: Sequence[str]) -> Interceptor:
        """Begin to hold the page's requests to `paths` (URL paths, `*` matches anything)."""
        interceptor = cls(await page.context.new_cdp_session(page), paths)
        await interceptor.start(page)
        return interceptor

    async def start(self, page: Page) -> None:
        """Begin to hold and to listen."""
        session = self.session
        page.on("crash", lambda _: self.fail(BrowserError("The page crashed.")))
        page.on("close", lambda _: self.fail(BrowserError("The page was closed.")))
        session.on("Fetch.requestPaused", lambda event: self._tasks.start(self._hold(event)))
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.dataReceived", _with_known_signature(self._on_data))
        session.on("Network.loadingFinished", lambda event: self._on_end(event, None))
        session.on("Network.loadingFailed", lambda event: self._on_end(event, event["errorText"]))
        # without a buffer limit of their own, long answers would push each other out of Chromium's memory
        sizes = {"maxTotalBufferSize": 2**27, "maxResourceBufferSize": 2**26, "maxPostDataSize": 1}
        await session.send("Network.enable", sizes)
        patterns = [{"urlPattern": f"*{path}*", "requestStage": "Request"} for path in self._paths]
        await session.send("Fetch.enable", {"patterns": patterns})

    @contextmanager
    def exchange(self, judge: Judge) -> Iterator[Exchange]:
        """Let one turn's requests through, as far as `judge` finds nothing wrong with them."""
        exchange = self._exchange = Exchange(judge)
        try:
            yield exchange
        finally:
            self._exchange = None
            self._taps.clear()

    def fail(self, error: BridgeError) -> None:
        """End the running turn with `error`."""
        if self._exchange is not None:
            self._exchange.fail(error)

    async def close(self) -> None:
        """Stop holding requests."""
        await self._tasks.close()

    async def _hold(self, event: dict[str, Any]) -> None:
        """Judge a held request, arm the tap, and let it go; or fail it, which the page sees as a network error."""
        held, exchange = event["requestId"], self._exchange
        request = _page_request(event["request"])
        with suppress(PlaywrightError):  # the page went away with its request: `fail` has been told
            if not self._concerns_us(request) or request.method == "OPTIONS":
                await self.session.send("Fetch.continueRequest", {"requestId": held})
                return
            reasons = exchange.objections(request) if exchange else ("no chat is waiting for an answer",)
            if reasons or exchange is None:
                await self.session.send("Fetch.failRequest", {"requestId": held, "errorReason": "Failed"})
                if exchange is not None:
                    exchange.turn_back(reasons)
                return
            await self._let_go(held, event["networkId"], request, exchange)

    async def _let_go(self, held: str, network_id: str, request: PageRequest, exchange: Exchange) -> None:
        tap = self._taps[network_id] = _Tap(exchange, request.path)
        exchange.let_through(request)
        # the tap is asked for first, but its answer comes from the page's own thread, which may be busy drawing
        await asyncio.gather(
            self._arm(tap, network_id), self.session.send("Fetch.continueRequest", {"requestId": held})
        )

    async def _arm(self, tap: _Tap, network_id: str) -> None:
        try:
            armed = await self.session.send("Network.streamResourceContent", {"requestId": network_id})
            tap.arm(base64.b64decode(armed["bufferedData"]))
        except PlaywrightError:
            tap.give_up()  # the whole body is fetched at the end instead

    def _concerns_us(self, request: PageRequest) -> bool:
        return any(fnmatchcase(request.path, pattern) for pattern in self._paths)

    def _on_response(self, event: dict[str, Any]) -> None:
        if tap := self._taps.get(event["requestId"]):
            response = event["response"]
            headers = {name.lower(): value for name, value in response["headers"].items()}
            tap.put(PageResponse(response["url"], response["status"], headers))

    def _on_data(self, event: dict[str, Any]) -> None:
        if tap := self._taps.get(event["requestId"]):
            data = event.get("data")
            tap.take(event["dataLength"], None if data is None else base64.b64decode(data))

    def _on_end(self, event: dict[str, Any], failure: str | None) -> None:
        if tap := self._taps.pop(event["requestId"], None):
            if tap.is_complete:
                tap.put(ResponseEnded(failure))
            else:
                self._tasks.start(self._complete(event["requestId"], tap, failure))

    async def _complete(self, network_id: str, tap: _Tap, failure: str | None) -> None:
        """Fetch what the tap did not deliver, so that no byte is ever silently lost."""
        try:
            answer = await self.session.send("Network.getResponseBody", {"requestId": network_id})
            body: str = answer["body"]
            tap.fill(base64.b64decode(body) if answer["base64Encoded"] else body.encode())
            reason = "Chromium kept only a part of it"
        except PlaywrightError as error:
            reason = first_line(error)
        if tap.is_short:
            failure = failure or f"bytes of the answer are missing ({reason})"
        tap.put(ResponseEnded(failure))


class _Tap:
    """One response's bytes in order: what came before the tap was armed, then the events, then what was missed."""

    def __init__(self, exchange: Exchange, path: str) -> None:
        self._exchange = exchange
        self._path = path
        self._early: list[tuple[int, bytes | None]] | None = []
        self._length = 0
        self._given = 0
        self._has_hole = False

    @property
    def is_complete(self) -> bool:
        """Tell whether every byte that Chromium counted was handed over."""
        return self._early is None and not self._has_hole and self._given == self._length

    @property
    def is_short(self) -> bool:
        """Tell whether fewer bytes were handed over than Chromium counted."""
        return self._given < self._length

    def put(self, part: Part) -> None:
        """Hand over a part."""
        self._exchange.put(self._path, part)

    def arm(self, buffered: bytes) -> None:
        """Take the bytes that were there before the tap, then those that came while it was being armed."""
        early, self._early = self._early or [], None
        self._length += len(buffered)
        self._give(buffered)
        for length, data in early:
            self.take(length, data)

    def give_up(self) -> None:
        """Wait for the whole body: the tap could not be armed."""
        self._early, self._has_hole = None, True

    def take(self, length: int, data: bytes | None) -> None:
        """Count `length` bytes and hand them over; after a hole everything waits for the whole body."""
        if self._early is not None:
            self._early.append((length, data))
            return
        self._length += length
        self._has_hole = self._has_hole or (data is None and length > 0)
        if self._has_hole:
            self.put(Chunk(b""))  # nothing to read yet, but a sign of life
        elif data:
            self._give(data)

    def fill(self, body: bytes) -> None:
        """Hand over what is missing, out of the whole body."""
        self._give(body[self._given :])

    def _give(self, data: bytes) -> None:
        if data:
            self._given += len(data)
            self.put(Chunk(data))


def _with_known_signature(handler: EventHandler) -> EventHandler:
    """Spare Playwright from working out anew for each event, thousands of times, how many arguments are wanted."""

    def known(event: dict[str, Any]) -> None:
        handler(event)

    known.__signature__ = signature(known)  # type: ignore[attr-defined]
    return known


def _page_request(raw: dict[str, Any]) -> PageRequest:
    entries = raw.get("postDataEntries") or ()
    body = b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
    return PageRequest(raw["method"], raw["url"], body or raw.get("postData", "").encode())
