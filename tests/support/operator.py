"""A client that is signed in to a bridge's dashboard, as a browser is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bridge.sse import SSEDecoder
from tests.support.fake_backend import ADMIN_KEY, Served
from tests.support.waiting import LIMIT

SESSION = "/admin/api/session"


@dataclass
class Operator:
    """A session of the dashboard: `http` has its cookie, and `send` adds its CSRF token."""

    http: aiohttp.ClientSession
    csrf: str

    def get(self, path: str, **more: Any) -> Any:
        """Send a GET request."""
        return self.http.get(path, **more)

    def send(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that changes something."""
        return self.http.request(method, path, json={} if body is None else body, headers={"X-CSRF-Token": self.csrf})

    async def answer(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request, and return the status and the answer."""
        async with self.send(method, path, body) as response:
            return response.status, await response.json()


def browser(served: Served, **headers: str) -> aiohttp.ClientSession:
    """Return a client with a cookie jar and no key."""
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{served.port}",
        headers=headers,
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        timeout=aiohttp.ClientTimeout(total=LIMIT),
    )


@asynccontextmanager
async def signed_in(served: Served, key: str = ADMIN_KEY) -> AsyncIterator[Operator]:
    """Sign in with a key."""
    async with browser(served) as http:
        async with http.post(SESSION, json={"key": key}) as response:
            assert response.status == 200, await response.text()
            csrf = (await response.json())["csrf"]
        yield Operator(http, csrf)


class Events:
    """The event stream of the dashboard."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._decoder = SSEDecoder()
        self._waiting: list[tuple[str, Any]] = []
        self.state: dict[str, Any] = {}

    async def next(self, event: str) -> Any:
        """Return the data of the next event of that name, and update the state with every event until then."""
        async with asyncio.timeout(LIMIT):
            while True:
                while self._waiting:
                    name, data = self._waiting.pop(0)
                    if name == "state":
                        self.state |= data
                    if name == event:
                        return data
                data = await self._response.content.readany()
                assert data, "the stream has ended"
                self._waiting += [(one.event, json.loads(one.data)) for one in self._decoder.feed(data)]

    async def until(self, holds: Any) -> dict[str, Any]:
        """Wait until `holds` accepts the state, and return it."""
        while not (self.state and holds(self.state)):
            await self.next("state")
        return self.state

    async def end(self) -> None:
        """Wait for the end of the stream."""
        async with asyncio.timeout(LIMIT):
            while await self._response.content.readany():
                pass


@asynccontextmanager
async def events(http: aiohttp.ClientSession, **headers: str) -> AsyncIterator[Events]:
    """Watch the event stream."""
    async with http.get("/admin/api/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Events(response)
