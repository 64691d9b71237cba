"""Logs the latest requests of a page: method, path, status and type, never a body, a query or a header.

Responses that the caller wants (the page's calls before a prompt, its history) are passed on as they arrive (`Reply`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import NO_NET_ERRORS
from bridge.browser.page_messages import PageResponse, Reply
from bridge.browser.response_body import body_of
from bridge.browser.tab_session import TabSession
from bridge.errors import BrowserError
from bridge.tasks import Tasks

KEPT = 300
"""Most requests that are kept."""
SCRIPTED = ("xhr", "fetch")
DOCUMENT = "document"


@dataclass(slots=True)
class Call:
    """One request; `status` is 0 until the response begins, and `failed` is set if it never does."""

    number: int
    method: str
    path: str
    kind: str
    status: int = 0
    content_type: str = ""
    failed: bool = False
    response: PageResponse = field(default=PageResponse("", 0), repr=False)

    def __str__(self) -> str:
        result = "failed" if self.failed else str(self.status or "open")
        return f"{self.method} {self.path} {self.kind} {result} {self.content_type}".rstrip()


def is_command(call: Call) -> bool:
    """Tell whether a script of the page sent data by a call."""
    return call.kind in SCRIPTED and call.method != "GET"


class RequestLog:
    """The page's latest requests; `session` must have its `Network` domain enabled.

    `on_reply` gets the outcome of each request whose address is `wanted`: its headers, then its body or its failure.
    """

    def __init__(self, session: TabSession) -> None:
        self.count = 0
        self.signs = 0
        """Network events so far; new ones are signs of life."""
        self.wanted: Callable[[str], bool] = lambda _: False
        self.on_reply: Callable[[Reply], None] = lambda _: None
        self._session = session
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._open: dict[str, Call] = {}
        self._tasks = Tasks()
        session.on("Network.requestWillBeSent", self._on_request)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.loadingFailed", self._on_failure)
        session.on("Network.loadingFinished", self._on_end)

    async def close(self) -> None:
        """Stop fetching bodies."""
        await self._tasks.close()

    @property
    def calls(self) -> Iterable[Call]:
        """Return the latest requests, the oldest first."""
        return tuple(self._calls)

    def commands(self, since: int) -> list[str]:
        """Return the method and path, each once, of data sent by the page's scripts after request number `since`."""
        sent = (call for call in self._calls if call.number > since and is_command(call))
        return list(dict.fromkeys(f"{call.method} {call.path}" for call in sent))

    def is_waiting(self, since: int = 0) -> bool:
        """Tell whether the page waits for the response to a request after number `since`."""
        return any(call.number > since and not call.status for call in self._open.values())

    def has_open_commands(self, since: int) -> bool:
        """Tell whether data that the page's scripts sent after request number `since` is not answered yet."""
        return any(call.number > since and not call.status and is_command(call) for call in self._open.values())

    def is_loading(self) -> bool:
        """Tell whether a document of the page or one of its frames is loading."""
        return any(call.kind == DOCUMENT for call in self._open.values())

    def _on_request(self, event: dict[str, Any]) -> None:
        if redirected := event.get("redirectResponse"):
            self._on_response({"requestId": event["requestId"], "response": redirected})
        self.count += 1
        self.signs += 1
        request = event["request"]
        address = urlsplit(request["url"])
        path = address.path if address.scheme in ("http", "https") else f"{address.scheme}:"
        call = Call(self.count, request["method"], path[:200], event.get("type", "other").lower())
        call.response = PageResponse(request["url"], 0)
        self._calls.append(call)
        self._open[event["requestId"]] = call

    def _on_response(self, event: dict[str, Any]) -> None:
        self.signs += 1
        if call := self._open.get(event["requestId"]):
            response = event["response"]
            call.status = response["status"]
            call.content_type = response["mimeType"]
            headers = {name.lower(): value for name, value in response["headers"].items()}
            call.response = PageResponse(response["url"], call.status, headers)
            if self._is_wanted(call):
                self.on_reply(Reply(call.response))

    def _on_failure(self, event: dict[str, Any]) -> None:
        self.signs += 1
        if call := self._open.pop(event["requestId"], None):
            call.failed = True
            given_up = event.get("canceled") or event["errorText"] in NO_NET_ERRORS
            if self._is_wanted(call) and not given_up:
                self.on_reply(Reply(call.response, failure=event["errorText"].removeprefix("net::")))

    def _on_end(self, event: dict[str, Any]) -> None:
        self.signs += 1
        call = self._open.pop(event["requestId"], None)
        if call and self._is_wanted(call):
            self._tasks.start(self._read(event["requestId"], call.response))

    def _is_wanted(self, call: Call) -> bool:
        return call.kind in SCRIPTED and self.wanted(call.response.url)

    async def _read(self, request_id: str, response: PageResponse) -> None:
        """Pass on the whole body, if the browser still has it."""
        with suppress(PlaywrightError, BrowserError):
            answer = await self._session.send("Network.getResponseBody", requestId=request_id)
            self.on_reply(Reply(response, body_of(answer, response.headers.get("content-type", ""))))
