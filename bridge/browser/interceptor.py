"""Holds one page's answer requests until they are checked, and reads their responses while they arrive.

The order for each request to an answer path:

1. Chromium pauses it before it leaves the browser (`Fetch.requestPaused`).
2. It is checked: its origin here, its content by the turn's `Exchange`. One that is wrong is failed; nothing was sent.
3. The tap on its response is armed (`Network.streamResourceContent`) before the request continues, because Chromium
   keeps no chunk for a tap that comes later.
4. Chromium pauses it again before its response is read: a redirect would send the prompt to another address.
5. The chunks go to the exchange as they arrive. Their lengths are counted; what is missing at the end is fetched whole.

Each paused request is continued or failed, whatever happens: a page waits for it for ever.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from inspect import signature
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.exchange import Exchange, RequestCheck, ResponseEnded, nothing_expected
from bridge.browser.page_calls import first_line
from bridge.browser.page_messages import PageRequest, PageResponse, Reply
from bridge.browser.response_tap import Tap
from bridge.errors import BridgeError, BrowserError
from bridge.origins import origin_of
from bridge.tasks import Tasks, log_unexpected

EventHandler = Callable[[dict[str, Any]], None]
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the browser may take for one call, and how many bytes one response may have."""

    call: float = 30.0
    answer: int = 2**26


class Interceptor:
    """Stands between one page of the site at `origin` and the network, for the paths that carry answers."""

    def __init__(self, session: CDPSession, origin: str, paths: Sequence[str], limits: Limits | None = None) -> None:
        self.session = session
        self._origin = origin
        self._paths = tuple(paths)
        self._limits = limits or Limits()
        self._exchange: Exchange | None = None
        self._taps: dict[str, Tap] = {}
        self.signs = 0
        """How many pieces of answers have come: signs of life."""
        self.is_open = False
        """Whether a person works the page, whose own requests go out as they are."""
        self._tasks = Tasks()

    @classmethod
    async def attach(cls, page: Page, origin: str, paths: Sequence[str]) -> Interceptor:
        """Begin to hold the page's requests to `paths` (URL paths, `*` matches anything) of whatever host."""
        interceptor = cls(await page.context.new_cdp_session(page), origin, paths)
        await interceptor.start(page)
        return interceptor

    async def start(self, page: Page) -> None:
        """Begin to hold and to listen."""
        session = self.session
        page.on("crash", lambda _: self.fail(BrowserError("The page crashed.")))
        page.on("close", lambda _: self.fail(BrowserError("The page was closed.")))
        session.on("Fetch.requestPaused", lambda event: self._tasks.start(self._on_paused(event)))
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.dataReceived", _with_known_signature(self._on_data))
        session.on("Network.loadingFinished", lambda event: self._on_end(event, None))
        session.on("Network.loadingFailed", lambda event: self._on_end(event, event["errorText"]))
        # without a buffer limit of their own, long answers would push each other out of Chromium's memory
        size = self._limits.answer
        await self._send("Network.enable", maxTotalBufferSize=2 * size, maxResourceBufferSize=size, maxPostDataSize=1)
        # a worker of the page's own between it and the network would send what is not held here
        await self._send("Network.setBypassServiceWorker", bypass=True)
        patterns = [{"urlPattern": f"*{path}*", "requestStage": "Request"} for path in self._paths]
        await self._send("Fetch.enable", patterns=patterns)

    @contextmanager
    def exchange(self, expected: RequestCheck = nothing_expected) -> Iterator[Exchange]:
        """Open the exchange of one turn, which sends what `expected`, or a later `Exchange.expect`, allows.

        There is one at a time. Outside of it every request to an answer path is failed.
        """
        exchange = self._exchange = Exchange(expected)
        try:
            yield exchange
        finally:
            self._exchange = None
            self._taps.clear()

    @property
    def is_without_response(self) -> bool:
        """Tell whether the running turn has sent, and none of its responses is open: its answer may have broken off."""
        return self._exchange is not None and bool(self._exchange.passed) and not self._exchange.open_responses

    def deliver_whole(self, reply: Reply) -> None:
        """Give the running turn a response that was not held; one without a body is dropped."""
        if self._exchange is not None and self.is_without_response and reply.body is not None:
            self._exchange.deliver_whole(reply.response, reply.body)

    def interrupt(self, error: BridgeError) -> None:
        """End the running turn with `error`; the page stays."""
        if self._exchange is not None:
            self._exchange.interrupt(error)

    def fail(self, error: BridgeError) -> None:
        """End the running turn with `error`."""
        if self._exchange is not None:
            self._exchange.fail(error)

    def end_responses(self, failure: str) -> None:
        """End the running turn's responses: their document is gone, and Chromium may not report their end."""
        for network_id in tuple(self._taps):
            self._on_end({"requestId": network_id}, failure)

    async def close(self) -> None:
        """Stop holding requests."""
        await self._tasks.close()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Continue or fail a paused request or response; the page sees a failed one as a network error."""
        try:
            if "responseStatusCode" in event or "responseErrorReason" in event:
                await self._handle_response(event)
            else:
                await self._handle_request(event)
        except PlaywrightError:
            pass  # the page is gone, and its request with it; the page's own event has called `fail`
        except BrowserError as error:
            self.fail(error)

    async def _handle_request(self, event: dict[str, Any]) -> None:
        """Check a held request; continue it with its tap armed, or fail it."""
        held, network_id, exchange = event["requestId"], event.get("networkId"), self._exchange
        request = _page_request(event["request"])
        if not self._is_guarded(request):
            await self._send("Fetch.continueRequest", requestId=held)
            return
        reasons = self._reject_reasons(request, network_id, exchange)
        if reasons or exchange is None or network_id is None:
            await self._send("Fetch.failRequest", requestId=held, errorReason="Failed")
            if exchange is not None:
                exchange.mark_rejected(reasons)
            return
        await self._release(held, network_id, request, exchange)

    async def _handle_response(self, event: dict[str, Any]) -> None:
        """Let a response be read, unless it redirects its request to another address."""
        held, tap = event["requestId"], self._taps.get(event.get("networkId", ""))
        if event.get("responseStatusCode") not in REDIRECTS:
            await self._send("Fetch.continueRequest", requestId=held)
            return
        if tap is not None:
            tap.failure = "the site sent the page's request on to another address, and it was not followed"
        await self._send("Fetch.failRequest", requestId=held, errorReason="Failed")

    def _reject_reasons(self, request: PageRequest, network_id: str | None, exchange: Exchange | None) -> Sequence[str]:
        """Return why a held request must not leave."""
        if (there := origin_of(request.url)) != self._origin:
            return (f"it goes to {there}, which is not the site",)
        if network_id is None:
            return ("the browser does not tell its number, by which its answer could be read",)
        if exchange is None:
            return ("no chat is waiting for an answer",)
        try:
            return exchange.reject_reasons(request)
        except Exception as error:  # noqa: BLE001 - a driver's own code: whatever it raises, nothing is held for ever
            log_unexpected(error, f"while a driver judged a request to {request.path}")
            return (f"it could not be judged ({type(error).__name__})",)

    async def _release(self, held: str, network_id: str, request: PageRequest, exchange: Exchange) -> None:
        # both must stand before the request continues: its first events may come before the command's own answer
        tap = self._taps[network_id] = Tap(exchange, request.path, self._limits.answer)
        exchange.mark_sent(request)
        # commands are handled in order, so the tap is armed first; waiting for its answer would cost time, because that
        # comes from the page's own thread, which may be busy drawing
        await asyncio.gather(
            self._arm(tap, network_id), self._send("Fetch.continueRequest", requestId=held, interceptResponse=True)
        )

    async def _send(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command; raise `BrowserError` where the browser does not answer in time."""
        try:
            async with asyncio.timeout(self._limits.call):
                answer: dict[str, Any] = await self.session.send(method, params)
                return answer
        except TimeoutError as error:
            raise BrowserError(
                f"The browser did not answer to {method} within {self._limits.call:g} seconds."
            ) from error

    async def _arm(self, tap: Tap, network_id: str) -> None:
        try:
            armed = await self._send("Network.streamResourceContent", requestId=network_id)
            tap.arm(base64.b64decode(armed["bufferedData"]))
        except (PlaywrightError, BrowserError):
            tap.give_up()  # `_complete` fetches the whole body at the end instead

    def _is_guarded(self, request: PageRequest) -> bool:
        if self.is_open:
            return False
        is_answer = any(fnmatchcase(request.path, pattern) for pattern in self._paths)
        is_question = request.method == "OPTIONS" and origin_of(request.url) == self._origin
        return is_answer and not is_question

    def _on_response(self, event: dict[str, Any]) -> None:
        if tap := self._taps.get(event["requestId"]):
            response = event["response"]
            if (there := origin_of(response["url"])) != self._origin:
                del self._taps[event["requestId"]]
                tap.put(ResponseEnded(f"the answer came from {there}, which is not the site"))
                return
            headers = {name.lower(): value for name, value in response["headers"].items()}
            tap.put(PageResponse(response["url"], response["status"], headers))

    def _on_data(self, event: dict[str, Any]) -> None:
        self.signs += 1
        if tap := self._taps.get(event["requestId"]):
            if self._exchange is not None:
                self._exchange.on_chunk(event["timestamp"])
            data = event.get("data")
            tap.take(event["dataLength"], None if data is None else base64.b64decode(data))

    def _on_end(self, event: dict[str, Any], failure: str | None) -> None:
        if tap := self._taps.pop(event["requestId"], None):
            failure = tap.failure or failure
            if tap.is_complete:
                tap.put(ResponseEnded(failure))
            else:
                self._tasks.start(self._complete(event["requestId"], tap, failure))

    async def _complete(self, network_id: str, tap: Tap, failure: str | None) -> None:
        """Fetch what the tap did not deliver, so that no byte is ever silently lost."""
        try:
            answer = await self._send("Network.getResponseBody", requestId=network_id)
            body: str = answer["body"]
            tap.fill(base64.b64decode(body) if answer["base64Encoded"] else body.encode())
            reason = "Chromium kept only a part of it"
        except (PlaywrightError, BrowserError) as error:
            reason = first_line(error)
        if tap.is_short:
            failure = failure or f"bytes of the answer are missing ({reason})"
        tap.put(ResponseEnded(failure))


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
