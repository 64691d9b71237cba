"""A CDP session of one page whose every command has a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import signature
from typing import Any

from playwright.async_api import CDPSession

from bridge.errors import BrowserError
from bridge.tasks import errors_logged

EventHandler = Callable[[dict[str, Any]], object]


class TabSession:
    """Sends commands to one page, each of which the browser must answer within `limit` seconds."""

    def __init__(self, session: CDPSession, limit: float) -> None:
        self.session = session
        self._limit = limit

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command; raise `BrowserError` where the browser does not answer in time."""
        try:
            async with asyncio.timeout(self._limit):
                answer: dict[str, Any] = await self.session.send(method, params)
                return answer
        except TimeoutError as error:
            raise BrowserError(f"The browser did not answer {method} within {self._limit:g} seconds.") from error

    def on(self, event: str, handler: EventHandler) -> None:
        """Call `handler` with each event of this name."""
        listen(self.session, event, handler)


def listen(session: CDPSession, event: str, handler: EventHandler) -> None:
    """Call `handler` with each event of this name.

    None of its errors reaches Playwright, which would hear no more of the browser then, of any page. Nor need that work
    out again for each event, thousands of times, how many arguments are wanted.
    """

    def listener(params: dict[str, Any]) -> None:
        with errors_logged(f"while {event} was handled"):
            handler(params)

    listener.__signature__ = signature(listener)  # type: ignore[attr-defined]
    session.on(event, listener)
