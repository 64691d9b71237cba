"""Holds one page's answer requests until they are checked, and taps their responses while they arrive.

The order for each request to an answer path:

1. Chromium pauses it before it leaves the browser (`Fetch.requestPaused`).
2. It is checked: its address here, its role by the site's driver, a prompt's content by the turn's `Exchange`. A wrong
   request is failed; nothing was sent.
3. The tap on its response is armed before the request continues.
4. Chromium pauses it again before its response is read: a redirect would send the prompt to another address, so it is
   failed.
5. The chunks go to the exchange as they arrive.

Every paused request is continued or failed, whatever happens, as the page would wait for it forever.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.arrival_order import ArrivalOrder
from bridge.browser.channels import Channels
from bridge.browser.exchange import MOST, Exchange, RequestCheck, nothing_expected
from bridge.browser.page_calls import after_a_moment
from bridge.browser.page_messages import NO_DOCUMENT, PageRequest, Reply, RequestRole
from bridge.browser.response_reader import ResponseReader
from bridge.browser.socket_gate import SocketGate
from bridge.browser.socket_reader import SocketReader
from bridge.browser.tab_session import TabSession
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.origins import origin_of
from bridge.tasks import Tasks, log_unexpected

REDIRECTS = (301, 302, 303, 307, 308)
LEAVE_AFTER = 1.0
"""Seconds for the rest of a response that began before the page left."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one call to the browser in seconds, and of one answer in bytes."""

    call: float = 30.0
    answer: int = MOST


class Interceptor:
    """The gate between one page of a site and the network, for the channels that carry prompts and answers."""

    def __init__(self, session: CDPSession, channels: Channels, limits: Limits | None = None) -> None:
        self.session = session
        self.is_open = False
        """Whether a person uses the page, whose own prompts are sent unchecked."""
        self._channels = channels
        self._limits = limits or Limits()
        self.tab = TabSession(session, self._limits.call)
        order = ArrivalOrder()
        self._responses = ResponseReader(self.tab, channels, self._answering, order)
        self._sockets = SocketReader(self.tab, channels, self._answering, self._responses.next_number, order)
        self._messages = SocketGate(self.tab, channels, self._judge_message)
        self._exchange: Exchange | None = None
        self._tasks = Tasks()

    @classmethod
    async def attach(cls, page: Page, channels: Channels) -> Interceptor:
        """Attach to a page before it is loaded, so that no channel is missed."""
        interceptor = cls(await page.context.new_cdp_session(page), channels)
        await interceptor.start(page)
        return interceptor

    async def start(self, page: Page) -> None:
        """Start to hold requests and to listen."""
        page.on("crash", lambda _: self.fail(BrowserError("The page crashed.")))
        closed = BrowserError("The page was closed.")
        page.on("close", lambda _: after_a_moment(lambda: self.fail(closed)))
        self.tab.on("Fetch.requestPaused", lambda event: self._tasks.start(self._on_paused(event)))
        self.tab.on("Page.frameNavigated", lambda event: self._on_document(event["frame"]))
        self._responses.start()
        self._sockets.start()
        # without their own buffer limit, long answers would evict each other from Chromium's memory
        size = self._limits.answer
        await self.tab.send(
            "Network.enable", maxTotalBufferSize=2 * size, maxResourceBufferSize=size, maxPostDataSize=1
        )
        # a service worker would send requests that are not held here
        await self.tab.send("Network.setBypassServiceWorker", bypass=True)
        await self.tab.send("Page.enable")
        if self._channels.holds_sockets:
            await self._messages.start()
        patterns = [{"urlPattern": f"*{path}*", "requestStage": "Request"} for path in self._channels.paths]
        if patterns:  # without any, Chromium would hold every request
            await self.tab.send("Fetch.enable", patterns=patterns)

    @contextmanager
    def exchange(self, expected: RequestCheck = nothing_expected) -> Iterator[Exchange]:
        """Open the exchange of one turn, which may send what `expected`, or a later `Exchange.expect`, allows.

        There is one at a time. Without one, every prompt is failed.
        """
        exchange = self._exchange = Exchange(expected, self._channels, self._limits.answer)
        try:
            yield exchange
        finally:
            self._exchange = None
            self._responses.forget_prompts()

    @property
    def signs(self) -> int:
        """Return how many pieces of answers have arrived, as signs of life."""
        return self._responses.signs + self._sockets.signs

    @property
    def is_connecting(self) -> bool:
        """Tell whether a channel for answers other than the response to the prompt is not connected yet."""
        return self._channels.is_separate and (self._responses.is_connecting or self._sockets.is_connecting)

    @property
    def is_cut_off(self) -> bool:
        """Tell whether prompts go over a WebSocket that the page cannot connect."""
        return self._channels.holds_sockets and self._sockets.is_cut_off

    @property
    def is_without_response(self) -> bool:
        """Tell whether the running turn has sent but has no open response, so that its answer may have broken off."""
        turn = self._answering()
        return turn is not None and not turn.open_responses

    def deliver_whole(self, reply: Reply) -> None:
        """Deliver a response that was not held to the running turn; drop one without a body."""
        if self._exchange is not None and self.is_without_response and reply.body is not None:
            self._exchange.deliver_whole(reply.response, reply.body)

    def interrupt(self, error: BridgeError) -> None:
        """End the running turn with `error`; the page stays."""
        if self._exchange is not None:
            self._exchange.interrupt(error)

    def leave(self, error: BridgeError) -> None:
        """End the running turn with `error` if its prompt was sent, as the page has left the chat.

        The site's earlier answer is read first, as it may name the reason.
        """
        if (turn := self._answering()) is not None:
            turn.has_left = True
            asyncio.get_running_loop().call_later(LEAVE_AFTER, turn.interrupt, error)

    def fail(self, error: BridgeError) -> None:
        """End the running turn with `error`."""
        if self._exchange is not None:
            self._exchange.fail(error)

    async def close(self) -> None:
        """Stop holding requests."""
        await self._tasks.close()
        await self._messages.close()
        await self._responses.close()

    def _answering(self) -> Exchange | None:
        """Return the running turn if its prompt was sent."""
        return self._exchange if self._exchange is not None and self._exchange.passed else None

    def _on_document(self, frame: dict[str, Any]) -> None:
        """End the previous document's responses, and a turn with separate parts of an answer: it cannot continue."""
        if frame.get("parentId") is not None:
            return
        is_none = frame["url"].startswith(NO_DOCUMENT)
        failure = f"the page went to {'an address that cannot be reached' if is_none else 'another document'}"
        if (turn := self._answering()) is not None:
            turn.has_left = True
            if turn.has_channel_data:
                turn.interrupt(SiteError(f"The answer broke off: {failure}."))
        self._sockets.on_document()
        self._responses.on_document(failure)

    async def _on_paused(self, event: dict[str, Any]) -> None:
        """Continue or fail a paused request or response; the page sees a failed one as a network error."""
        try:
            if "responseStatusCode" in event or "responseErrorReason" in event:
                await self._handle_response(event)
            else:
                await self._handle_request(event)
        except PlaywrightError:
            pass  # the page is gone with its request; the page's own event has called `fail`
        except BrowserError as error:
            self.fail(error)

    async def _handle_request(self, event: dict[str, Any]) -> None:
        """Check a held request; fail it, or continue it, with its response tapped if it is to be read."""
        held, network_id, request = event["requestId"], event.get("networkId"), _page_request(event["request"])
        if not self._is_guarded(request):
            await self.tab.send("Fetch.continueRequest", requestId=held)
            return
        role, reasons = self._judge(request, network_id)
        if reasons or network_id is None:
            await self.tab.send("Fetch.failRequest", requestId=held, errorReason="Failed")
            if self._exchange is not None and role == "prompt":
                self._exchange.mark_rejected(reasons)
        elif role == "other":
            await self.tab.send("Fetch.continueRequest", requestId=held)
        else:
            await self._release(held, network_id, request, role)

    async def _handle_response(self, event: dict[str, Any]) -> None:
        """Continue a response, but fail one that redirects its request."""
        held = event["requestId"]
        if event.get("responseStatusCode") not in REDIRECTS:
            await self.tab.send("Fetch.continueRequest", requestId=held)
            return
        self._responses.note_redirect(event.get("networkId", ""))
        await self.tab.send("Fetch.failRequest", requestId=held, errorReason="Failed")

    async def _release(self, held: str, network_id: str, request: PageRequest, role: RequestRole) -> None:
        # the tap must exist before the request continues: its first events may come before the command's answer
        if role == "answer" or self._exchange is None:
            self._responses.tap_channel(network_id)
        else:
            self._exchange.mark_sent(request, self._responses.tap_prompt(network_id, self._exchange))
        # commands are handled in order, so the tap is armed first; waiting for its answer would cost time, because that
        # comes from the page's main thread, which may be busy rendering
        await asyncio.gather(
            self._responses.arm(network_id),
            self.tab.send("Fetch.continueRequest", requestId=held, interceptResponse=True),
        )

    def _judge(self, request: PageRequest, network_id: str | None) -> tuple[RequestRole, Sequence[str]]:
        """Return the role of a held request, and why it must not be sent; a person's own request is not checked."""
        if not self._channels.is_own(request.url):
            reason = f"it goes to {origin_of(request.url)}, which is not the site"
            return ("other", ()) if self.is_open else ("prompt", (reason,))
        try:
            role = self._channels.role_of(request)
            if role == "prompt" and self.is_open:
                return "other", ()
            return role, () if role == "other" else self._reject_reasons(request, role, network_id)
        except Exception as error:  # noqa: BLE001 - a driver's own code: whatever it raises, no request is held forever
            log_unexpected(error, f"while a driver checked a request to {request.path}")
            return "prompt", (f"it could not be checked ({type(error).__name__})",)

    def _reject_reasons(self, request: PageRequest, role: RequestRole, network_id: str | None) -> Sequence[str]:
        if network_id is None:
            return ("the browser gives no network id, which is needed to read its answer",)
        if role == "answer":
            return ()
        if self._exchange is None:
            return ("no chat is waiting for an answer",)
        return self._exchange.reject_reasons(request)

    def _judge_message(self, request: PageRequest) -> bool:
        """Tell whether a held WebSocket message may be sent; it has no response of its own."""
        role, reasons = self._judge(request, network_id="")
        if self._exchange is not None and role == "prompt":
            if reasons:
                self._exchange.mark_rejected(reasons)
            else:
                self._exchange.mark_sent(request)
        return not reasons

    def _is_guarded(self, request: PageRequest) -> bool:
        is_preflight = request.method == "OPTIONS" and self._channels.is_own(request.url)
        return self._channels.has_path(request.url) and not is_preflight


def _page_request(raw: dict[str, Any]) -> PageRequest:
    entries = raw.get("postDataEntries") or ()
    body = b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
    return PageRequest(raw["method"], raw["url"], body or raw.get("postData", "").encode())
