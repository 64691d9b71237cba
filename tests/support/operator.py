"""Somebody who is signed in to the dashboard of a served bridge, as a browser is."""

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
    """A session of the dashboard: its cookie is in `http`, its CSRF token goes along with `send`."""

    http: aiohttp.ClientSession
    csrf: str

    def get(self, path: str, **more: Any) -> Any:
        """Look at something."""
        return self.http.get(path, **more)

    def send(self, method: str, path: str, body: object = None) -> Any:
        """Change something."""
        return self.http.request(method, path, json={} if body is None else body, headers={"X-CSRF-Token": self.csrf})

    async def answer(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Ask for something, and return the status and what came back."""
        async with self.send(method, path, body) as response:
            return response.status, await response.json()


def browser(served: Served, **headers: str) -> aiohttp.ClientSession:
    """Return a client that keeps cookies and has no key."""
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
    """The event stream of the dashboard, as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._decoder = SSEDecoder()
        self._waiting: list[tuple[str, Any]] = []
        self.state: dict[str, Any] = {}

    async def next(self, event: str) -> Any:
        """Return the data of the next event of that name; the state is kept up to date meanwhile."""
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
        """Return the state as soon as `holds` says yes to it."""
        while not (self.state and holds(self.state)):
            await self.next("state")
        return self.state

    async def end(self) -> None:
        """Return when the stream has ended."""
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
