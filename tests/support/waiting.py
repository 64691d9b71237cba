"""Waits for what gives no event, such as a file, a process or a page: looks again and again, up to a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LIMIT = 120.0
"""Seconds within which anything that a test waits for has happened on a slow machine."""
PAUSE = 0.02
"""Seconds between two looks."""
TURNS = 10
"""Turns of the loop in which all goes on that waits for nothing from outside."""


async def until(holds: Callable[[], object | Awaitable[object]], limit: float = LIMIT, pause: float = PAUSE) -> None:
    """Return as soon as `holds()` is true; raise `TimeoutError` at the limit."""
    async with asyncio.timeout(limit):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(pause)


async def settle() -> None:
    """Let what was begun in the background, or is on its way to a server in this process, go as far as it can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
