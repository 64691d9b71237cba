"""A CDP session of one page whose every command has a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from playwright.async_api import CDPSession

from bridge.errors import BrowserError


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
            raise BrowserError(f"The browser did not answer to {method} within {self._limit:g} seconds.") from error

    def on(self, event: str, handler: Callable[[dict[str, Any]], object]) -> None:
        """Call `handler` with each event of this name."""
        self.session.on(event, cast("Callable[[dict[str, Any]], None]", handler))
