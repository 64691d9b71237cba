"""Limits how many accounts are opened at a time, and how long each may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bridge.errors import BrowserError

AT_A_TIME = 4
"""Most accounts that open at a time: if all did, on a small machine, the first would be ready with the last."""


class Openings:
    """The running openings; each has `limit` seconds for all its steps together."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._places = asyncio.Semaphore(AT_A_TIME)

    @asynccontextmanager
    async def one(self, *, has_visitor: bool) -> AsyncGenerator[None]:
        """Wait for a free place and limit an opening; one for a person neither waits nor has a limit."""
        if has_visitor:
            yield
            return
        async with self._places:
            try:
                async with asyncio.timeout(self._limit):
                    yield
            except TimeoutError as error:
                raise BrowserError(f"The account did not open within {self._limit:g} seconds.") from error
