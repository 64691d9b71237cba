"""Records what a page sends and receives during a chat: requests by scripts with bodies, responses, WebSockets.

No request is paused or changed. The records stay in memory and are bounded; bodies are never logged.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_messages import SOCKET
from bridge.browser.tab_session import TabSession
from bridge.errors import BrowserError
from bridge.sites.learning.observation import Chunk, SeenCall
from bridge.sites.learning.socket_sessions import joined
from bridge.tasks import Tasks

KINDS = ("XHR", "Fetch", "EventSource", "Ping", "Other")
MOST_CALLS = 1000
MOST_BYTES = 1 << 23
"""The most bytes that are kept of one call, each way."""
BINARY = 2
"""The opcode of a WebSocket message whose data is base64."""


@dataclass(slots=True)
class _Call:
    number: int
    time: float
    method: str
    url: str
    body: bytes = b""
    status: int = 0
    content_type: str = ""
    charset: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    sent: list[Chunk] = field(default_factory=list)
    early: list[tuple[float, dict[str, Any]]] | None = field(default_factory=list)
    """Data received before the result of `streamResourceContent`; None after that."""
    length: int = 0
    is_over: bool = False

    def seen(self) -> SeenCall:
        return SeenCall(
            self.number, self.time, self.method, self.url, self.body, self.status, self.content_type,
            tuple(self.chunks), tuple(self.sent), self.is_over,
        )  # fmt: skip


class NetworkWatch:
    """The watch on the network of one page, through a separate session."""

    def __init__(self, session: TabSession, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._calls: dict[str, _Call] = {}
        self._tasks = Tasks()
        self.last_data = 0.0
        """When the last data of a response arrived."""

    async def start(self) -> None:
        """Start watching."""
        handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "Network.requestWillBeSent": self._on_request,
            "Network.responseReceived": self._on_response,
            "Network.dataReceived": self._on_data,
            "Network.loadingFinished": self._on_end,
            "Network.loadingFailed": self._on_end,
            "Network.webSocketCreated": self._on_socket,
            "Network.webSocketFrameSent": lambda event: self._on_message(event, is_sent=True),
            "Network.webSocketFrameReceived": lambda event: self._on_message(event, is_sent=False),
            "Network.webSocketClosed": self._on_end,
        }
        for name, handler in handlers.items():
            self._session.on(name, handler)
        await self._session.send("Network.enable", maxPostDataSize=MOST_BYTES, maxResourceBufferSize=MOST_BYTES)

    def calls(self) -> tuple[SeenCall, ...]:
        """Return the calls so far; the transports of socket.io are joined to one WebSocket."""
        return joined([call.seen() for call in self._calls.values()])

    def has_sent(self, words: bytes, since: float) -> bool:
        """Tell whether a request or a message since then contained these bytes."""
        recent = (call for call in self._calls.values() if call.time >= since or call.sent)
        return any(
            words in body
            for call in recent
            for body in ([call.body] if call.time >= since else [])
            + [one.data for one in call.sent if one.time >= since]
        )

    async def close(self) -> None:
        """Stop watching."""
        await self._tasks.close()

    def _add(self, event: dict[str, Any], method: str, url: str, body: bytes = b"") -> None:
        if len(self._calls) < MOST_CALLS:
            self._calls[event["requestId"]] = _Call(len(self._calls) + 1, self._clock(), method, url, body[:MOST_BYTES])

    def _on_request(self, event: dict[str, Any]) -> None:
        request = event["request"]
        if event.get("type") not in KINDS or request["method"] == "OPTIONS":
            return
        entries = request.get("postDataEntries") or ()
        body = b"".join(base64.b64decode(entry.get("bytes", "")) for entry in entries)
        body = body or request.get("postData", "").encode("utf-8", "replace")
        self._add(event, request["method"], request["url"], body)
        if not body and request.get("hasPostData"):
            self._tasks.start(self._fetch_body(event["requestId"]))

    async def _fetch_body(self, request_id: str) -> None:
        try:
            answer = await self._session.send("Network.getRequestPostData", requestId=request_id)
        except (PlaywrightError, BrowserError):
            return
        self._calls[request_id].body = str(answer["postData"]).encode("utf-8", "replace")[:MOST_BYTES]

    def _on_response(self, event: dict[str, Any]) -> None:
        if call := self._calls.get(event["requestId"]):
            response = event["response"]
            call.status, call.content_type = response["status"], response.get("mimeType", "")
            call.charset = response.get("charset", "")
            self._tasks.start(self._arm(event["requestId"], call))

    async def _arm(self, request_id: str, call: _Call) -> None:
        """Make Chromium send the data as it arrives; the data buffered before that comes first."""
        try:
            armed = await self._session.send("Network.streamResourceContent", requestId=request_id)
        except (PlaywrightError, BrowserError):
            return  # the response has ended already, and its whole body is fetched
        early, call.early = call.early or [], None
        if data := base64.b64decode(armed["bufferedData"]):
            self._keep(call, data)
            call.length += len(data)
        for at, one in early:
            if one.get("data") is not None:
                self._take(call, one, at)

    def _on_data(self, event: dict[str, Any]) -> None:
        if call := self._calls.get(event["requestId"]):
            self.last_data = self._clock()
            if call.early is not None:
                call.early.append((self._clock(), event))
            else:
                self._take(call, event, self._clock())

    def _take(self, call: _Call, event: dict[str, Any], at: float) -> None:
        call.length += event["dataLength"]
        if (data := event.get("data")) is not None:
            self._keep(call, base64.b64decode(data), at)

    def _keep(self, call: _Call, data: bytes, at: float | None = None) -> None:
        if sum(len(chunk.data) for chunk in call.chunks[-50:]) < MOST_BYTES and len(call.chunks) < MOST_BYTES // 64:
            call.chunks.append(Chunk(self._clock() if at is None else at, data))

    def _on_end(self, event: dict[str, Any]) -> None:
        if call := self._calls.get(event["requestId"]):
            call.is_over = True
            if call.method != SOCKET and (not call.chunks or call.early is not None):
                self._tasks.start(self._fetch_whole(event["requestId"], call))

    async def _fetch_whole(self, request_id: str, call: _Call) -> None:
        """Fetch a body that had arrived before it could be streamed."""
        try:
            answer = await self._session.send("Network.getResponseBody", requestId=request_id)
        except (PlaywrightError, BrowserError):
            return
        body = str(answer["body"])
        data = base64.b64decode(body) if answer["base64Encoded"] else as_bytes(body, call.charset)
        if data and not call.chunks:
            self._keep(call, data)

    def _on_socket(self, event: dict[str, Any]) -> None:
        self._add(event, SOCKET, event["url"])

    def _on_message(self, event: dict[str, Any], *, is_sent: bool) -> None:
        call = self._calls.get(event["requestId"])
        if call is None:
            return
        payload = event["response"]
        text: str = payload["payloadData"]
        data = base64.b64decode(text) if payload.get("opcode") == BINARY else text.encode("utf-8", "replace")
        kept = call.sent if is_sent else call.chunks
        if len(kept) < MOST_BYTES // 64:
            kept.append(Chunk(self._clock(), data[:MOST_BYTES]))
        if not is_sent:
            self.last_data = self._clock()


def as_bytes(body: str, charset: str) -> bytes:
    """Return the bytes of a body that Chromium decoded to text; without a charset it decoded windows-1252."""
    if charset.lower() not in ("", "windows-1252", "iso-8859-1"):
        return body.encode("utf-8", "replace")
    try:
        return b"".join(_byte(character) for character in body)
    except UnicodeEncodeError:
        return body.encode("utf-8", "replace")


def _byte(character: str) -> bytes:
    """Return the windows-1252 byte of a character; five bytes are missing in Python's table and map to themselves."""
    return bytes((ord(character),)) if ord(character) <= 0xFF else character.encode("cp1252")
