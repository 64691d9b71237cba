"""Guard, tap and byte accounting of one page's answers.

Each request to an answer path is held at the gate (`Fetch.requestPaused`) before it leaves the browser. It is
judged, the tap on its response is ordered, and only then it goes out: so nothing wrong is sent, and somebody listens
when the answer comes. It goes to the site's own origin and nowhere else: it is held once more before its response is
read, because a redirect would send it, prompt and all, to wherever that points. Every byte is counted; what the tap
did not deliver is fetched at the end. Each held request is let go or failed, whatever happens.
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
        """Let one turn's requests through, as far as `expected`, or what the exchange is told later, allows them."""
        exchange = self._exchange = Exchange(expected)
        try:
            yield exchange
        finally:
            self._exchange = None
            self._taps.clear()

    @property
    def is_without_response(self) -> bool:
        """Tell whether the running turn's responses have ended, and its answer has perhaps not."""
        return self._exchange is not None and bool(self._exchange.passed) and not self._exchange.open_responses

    def deliver_whole(self, reply: Reply) -> None:
        """Let the running turn have a response that carries no answer of its own; one without a body is left out."""
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
        """End the running turn's responses: the document that asked for them is gone, and Chromium may not say so."""
        for network_id in tuple(self._taps):
            self._on_end({"requestId": network_id}, failure)

    async def close(self) -> None:
        """Stop holding requests."""
        await self._tasks.close()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Let a held request or its response go, or fail it, which the page sees as a network error."""
        try:
            if "responseStatusCode" in event or "responseErrorReason" in event:
                await self._handle_response(event)
            else:
                await self._handle_request(event)
        except PlaywrightError:
            pass  # the page went away with its request: `fail` has been told
        except BrowserError as error:
            self.fail(error)

    async def _handle_request(self, event: dict[str, Any]) -> None:
        """Judge a held request, arm the tap, and let it go."""
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
        """Let a response come, but not one that would send its request on to another address."""
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
        tap = self._taps[network_id] = Tap(exchange, request.path, self._limits.answer)
        exchange.mark_sent(request)
        # the tap is asked for first, but its answer comes from the page's own thread, which may be busy drawing
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
            tap.give_up()  # the whole body is fetched at the end instead

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
