"""Reads the responses of one page's answer requests while they arrive, and fetches missing data.

A tap is armed (`Network.streamResourceContent`) before its request continues, because Chromium keeps no chunks for a
later tap. The lengths of the chunks are counted; if data is missing at the end, the whole body is fetched.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import count
from typing import Any

from playwright.async_api import Error as PlaywrightError

from bridge.browser.answer_channel import AnswerChannel
from bridge.browser.arrival_order import ArrivalOrder
from bridge.browser.channels import Channels
from bridge.browser.exchange import Exchange, Part
from bridge.browser.page_calls import first_line
from bridge.browser.page_messages import PageResponse
from bridge.browser.response_body import body_of
from bridge.browser.response_tap import Tap
from bridge.browser.tab_session import TabSession
from bridge.errors import BrowserError
from bridge.origins import origin_of
from bridge.tasks import Tasks

EVENT_SOURCE = "EventSource"
MOST_KNOWN = 1000
"""Most requests of one document that are remembered."""


class ResponseReader:
    """The taps on one page's responses; `turn` returns the running turn once its prompt was sent."""

    def __init__(
        self,
        session: TabSession,
        channels: Channels,
        turn: Callable[[], Exchange | None],
        order: ArrivalOrder | None = None,
    ) -> None:
        self.signs = 0
        """Pieces of responses so far, as signs of life."""
        self._session = session
        self._channels = channels
        self._turn = turn
        self._order = order or ArrivalOrder()
        self._taps: dict[str, Tap] = {}
        self._known: dict[str, str] = {}
        """Kinds of requests of the current document that were announced before they were held, by network id."""
        self._connecting: set[str] = set()
        """Network ids of the document's `EventSource`s that the site has not answered yet."""
        self._numbers = count(1)
        self._tasks = Tasks()

    def start(self) -> None:
        """Start listening."""
        session = self._session
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.dataReceived", self._on_data)
        session.on("Network.loadingFinished", lambda event: self._on_end(event, None))
        session.on("Network.loadingFailed", lambda event: self._on_end(event, event["errorText"]))

    async def close(self) -> None:
        """Stop fetching."""
        await self._tasks.close()

    @property
    def is_connecting(self) -> bool:
        """Tell whether an `EventSource` of the page is not connected yet."""
        return bool(self._connecting)

    def next_number(self) -> int:
        """Return the number of the next response."""
        return next(self._numbers)

    def tap_prompt(self, network_id: str, exchange: Exchange) -> int:
        """Tap the response to a prompt for its turn; return its number."""
        number = self.next_number()

        def put(part: Part) -> None:
            exchange.put(number, part)

        self._taps[network_id] = Tap(put, number, is_known=network_id in self._known)
        return number

    def tap_channel(self, network_id: str) -> None:
        """Tap a response whose parts go to the turn that runs when they arrive."""
        number = self.next_number()
        channel = AnswerChannel(self._turn, number, self._order)
        is_known = network_id in self._known
        tap = self._taps[network_id] = Tap(channel.put, number, channel=channel, is_known=is_known)
        tap.is_resumed = self._is_resumed(self._known.get(network_id, ""))

    def forget_prompts(self) -> None:
        """Stop reading responses to prompts, as their turn is over."""
        self._taps = {network_id: tap for network_id, tap in self._taps.items() if not tap.is_prompts}

    def note_redirect(self, network_id: str) -> None:
        """Record that a request is failed because its response redirects it."""
        if tap := self._taps.get(network_id):
            tap.failure = "the site redirected the page's request to another address, which was not followed"

    async def arm(self, network_id: str) -> None:
        """Make Chromium report the bytes of a response as they arrive."""
        tap = self._taps.get(network_id)
        try:
            armed = await self._session.send("Network.streamResourceContent", requestId=network_id)
            data = base64.b64decode(armed["bufferedData"])
        except (PlaywrightError, BrowserError):
            if tap:
                tap.give_up()  # `_complete` fetches the whole body at the end instead
        else:
            if tap:
                tap.arm(data)

    def on_document(self, failure: str) -> None:
        """End the responses of the previous document; Chromium does not report their end.

        Announcements of requests come in order with the navigation, but a request may be held before its announcement:
        one that was not announced yet belongs to the new document.
        """
        for network_id in [one for one, tap in self._taps.items() if tap.is_known]:
            tap = self._taps.pop(network_id)
            if tap.is_prompts:
                self._finish(network_id, tap, failure)
        self._known.clear()
        self._connecting.clear()

    def _on_request(self, event: dict[str, Any]) -> None:
        if event.get("type") == EVENT_SOURCE and self._channels.has_path(event["request"]["url"]):
            self._connecting.add(event["requestId"])
        if tap := self._taps.get(event["requestId"]):
            tap.is_known, tap.is_resumed = True, self._is_resumed(event.get("type", ""))
        elif self._channels.has_path(event["request"]["url"]) and len(self._known) < MOST_KNOWN:
            self._known[event["requestId"]] = event.get("type", "")

    def _is_resumed(self, kind: str) -> bool:
        """Tell whether the browser itself requests the rest of a cut response."""
        return self._channels.resumes and kind == EVENT_SOURCE

    def _on_response(self, event: dict[str, Any]) -> None:
        self._connecting.discard(event["requestId"])
        if tap := self._taps.get(event["requestId"]):
            tap.is_known = True
            response = event["response"]
            if not self._channels.is_own(response["url"]):
                del self._taps[event["requestId"]]
                tap.end(f"the answer came from {origin_of(response['url'])}, which is not the site")
                return
            headers = {name.lower(): value for name, value in response["headers"].items()}
            tap.begin(PageResponse(response["url"], response["status"], headers))

    def _on_data(self, event: dict[str, Any]) -> None:
        self.signs += 1
        if tap := self._taps.get(event["requestId"]):
            if (turn := self._turn()) is not None:
                turn.on_chunk(event["timestamp"])
            data = event.get("data")
            tap.take(event["dataLength"], None if data is None else base64.b64decode(data))

    def _on_end(self, event: dict[str, Any], failure: str | None) -> None:
        self._connecting.discard(event["requestId"])
        if tap := self._taps.pop(event["requestId"], None):
            is_cut = failure is not None and not event.get("canceled")
            self._finish(event["requestId"], tap, failure, is_final=is_cut and not tap.is_prompts)

    def _finish(self, network_id: str, tap: Tap, failure: str | None, *, is_final: bool = False) -> None:
        failure = tap.failure or failure
        if tap.is_complete:
            tap.end(failure, is_final=is_final)
            return
        if tap.channel is not None:
            tap.channel.hold()
        self._tasks.start(self._complete(network_id, tap, failure, is_final))

    async def _complete(self, network_id: str, tap: Tap, failure: str | None, is_final: bool) -> None:
        """Fetch the data that the tap did not deliver, so that no byte is silently lost."""
        try:
            reason = await self._fetch(network_id, tap)
            if tap.is_short:
                failure = failure or f"bytes of the answer are missing ({reason})"
            tap.end(failure, is_final=is_final)
        finally:
            if tap.channel is not None:  # else all other channels would wait
                tap.channel.release()

    async def _fetch(self, network_id: str, tap: Tap) -> str:
        """Deliver the rest of a body; return why it may be too short."""
        try:
            answer = await self._session.send("Network.getResponseBody", requestId=network_id)
            tap.fill(body_of(answer, tap.content_type, tap.length))
        except (PlaywrightError, BrowserError) as error:
            return first_line(error)
        return "Chromium kept only a part of it"
