"""A CDP session of one page with a time limit for every command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import signature
from typing import Any

from playwright.async_api import CDPSession

from bridge.errors import BrowserError
from bridge.tasks import log_unexpected

EventHandler = Callable[[dict[str, Any]], object]


class TabSession:
    """A session with one page, in which the browser must answer each command within `limit` seconds."""

    def __init__(self, session: CDPSession, limit: float) -> None:
        self.session = session
        self._limit = limit
        self._handlers: dict[str, list[EventHandler]] = {}

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command; raise `BrowserError` if the browser does not answer in time."""
        try:
            async with asyncio.timeout(self._limit):
                answer: dict[str, Any] = await self.session.send(method, params)
                return answer
        except TimeoutError as error:
            raise BrowserError(f"The browser did not answer {method} within {self._limit:g} seconds.") from error

    def on(self, event: str, handler: EventHandler) -> None:
        """Call `handler` with each event of this name, after the handlers that were added before."""
        if event not in self._handlers:
            self._listen(event)
        self._handlers[event].append(handler)

    def _listen(self, event: str) -> None:
        """Add the only Playwright listener for an event, as Playwright copies the whole event for each listener."""
        handlers = self._handlers[event] = []

        def listener(params: dict[str, Any]) -> None:
            for handler in handlers:
                try:
                    handler(params)
                except Exception as error:  # noqa: BLE001 - Playwright would report no more events, of any page
                    log_unexpected(error, f"while handling {event}")

        # else Playwright inspects the listener's signature again for each event
        listener.__signature__ = signature(listener)  # type: ignore[attr-defined]
        self.session.on(event, listener)
