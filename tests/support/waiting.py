"""Waits for conditions without an event, such as those of a file, a process or a page, by repeated looks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LIMIT = 120.0
"""Most seconds that a test waits for anything on a slow machine."""
PAUSE = 0.02
"""Seconds between two looks."""
TURNS = 10
"""Turns of the loop in which all tasks proceed that do not wait for outside events."""


async def until(holds: Callable[[], object | Awaitable[object]], limit: float = LIMIT, pause: float = PAUSE) -> None:
    """Wait until `holds()` is true; raise `TimeoutError` at the limit."""
    async with asyncio.timeout(limit):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(pause)


async def settle() -> None:
    """Let background tasks, and requests to servers in this process, proceed as far as they can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
