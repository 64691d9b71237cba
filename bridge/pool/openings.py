"""Limits how many accounts are opened at a time, and how long each may take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bridge.errors import BrowserError

AT_A_TIME = 4
"""Accounts that are opened at a time: all at once, on a small machine, the first would be ready with the last."""


class Openings:
    """The accounts that are being opened; each has `limit` seconds for all its steps together."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._places = asyncio.Semaphore(AT_A_TIME)

    @asynccontextmanager
    async def one(self, *, has_visitor: bool) -> AsyncGenerator[None]:
        """Open an account; a person waits for no other account, and may take as long as they like."""
        if has_visitor:
            yield
            return
        async with self._places:
            try:
                async with asyncio.timeout(self._limit):
                    yield
            except TimeoutError as error:
                raise BrowserError(f"The account did not open within {self._limit:g} seconds.") from error
