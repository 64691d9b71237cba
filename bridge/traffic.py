"""What a page asked of the network lately: method, path, status and type, never a body, a query or a header."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import CDPSession

KEPT = 300
"""How many requests are remembered."""


@dataclass(slots=True)
class Call:
    """One request; `status` is 0 until the response has begun, and `failed` where it never will."""

    number: int
    method: str
    path: str
    kind: str
    status: int = 0
    content_type: str = ""
    failed: bool = False

    def __str__(self) -> str:
        result = "failed" if self.failed else str(self.status or "open")
        return f"{self.method} {self.path} {self.kind} {result} {self.content_type}".rstrip()


class Traffic:
    """Remembers the page's last requests; `session` has its `Network` domain on."""

    def __init__(self, session: CDPSession) -> None:
        self.count = 0
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._open: dict[str, Call] = {}
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFailed", self._on_failure)
        session.on("Network.loadingFinished", self._on_end)

    @property
    def calls(self) -> Iterable[Call]:
        """Return the last requests, the oldest first."""
        return tuple(self._calls)

    def commands(self, since: int) -> list[str]:
        """Return method and path, each once, of what scripts of the page sent after its request number `since`."""
        sent = (call for call in self._calls if call.number > since and call.kind in ("xhr", "fetch"))
        return list(dict.fromkeys(f"{call.method} {call.path}" for call in sent if call.method != "GET"))

    def _on_request(self, event: dict[str, Any]) -> None:
        if redirected := event.get("redirectResponse"):
            self._on_response({"requestId": event["requestId"], "response": redirected})
        self.count += 1
        request = event["request"]
        address = urlsplit(request["url"])
        path = address.path if address.scheme in ("http", "https") else f"{address.scheme}:"
        call = Call(self.count, request["method"], path[:200], event.get("type", "other").lower())
        self._calls.append(call)
        self._open[event["requestId"]] = call

    def _on_response(self, event: dict[str, Any]) -> None:
        if call := self._open.get(event["requestId"]):
            call.status = event["response"]["status"]
            call.content_type = event["response"]["mimeType"]

    def _on_failure(self, event: dict[str, Any]) -> None:
        if call := self._open.pop(event["requestId"], None):
            call.failed = True

    def _on_end(self, event: dict[str, Any]) -> None:
        self._open.pop(event["requestId"], None)
