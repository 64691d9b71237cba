"""What a page asked of the network lately: method, path, status and type, never a body, a query or a header."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import Page, Request, Response

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
    """Remembers the page's last requests."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._open: dict[Request, Call] = {}
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        page.on("requestfailed", lambda request: self._on_end(request, failed=True))
        page.on("requestfinished", self._on_end)

    @property
    def calls(self) -> Iterable[Call]:
        """Return the last requests, the oldest first."""
        return tuple(self._calls)

    def commands(self, since: int) -> list[str]:
        """Return method and path, each once, of what scripts of the page sent after its request number `since`."""
        sent = (call for call in self._calls if call.number > since and call.kind in ("xhr", "fetch"))
        return list(dict.fromkeys(f"{call.method} {call.path}" for call in sent if call.method != "GET"))

    def _on_request(self, request: Request) -> None:
        self.count += 1
        address = urlsplit(request.url)
        path = address.path if address.scheme in ("http", "https") else f"{address.scheme}:"
        call = Call(self.count, request.method, path[:200], request.resource_type)
        self._calls.append(call)
        self._open[request] = call

    def _on_response(self, response: Response) -> None:
        if call := self._open.get(response.request):
            call.status = response.status
            call.content_type = response.headers.get("content-type", "").partition(";")[0]

    def _on_end(self, request: Request, *, failed: bool = False) -> None:
        if call := self._open.pop(request, None):
            call.failed = failed
