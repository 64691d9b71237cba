"""A thread for blocking work, such as a database: calls run one by one, in order.

A write is queued without waiting; its failure is only logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from loguru import logger

T = TypeVar("T")
CLOSE_LIMIT = 10.0
"""Seconds that queued work has when its thread closes."""
SMALL = 65_536
"""Characters or bytes that may be processed on the event loop."""
PIECE = 65_536
"""Characters or bytes that are processed at once: no other thread runs while a pattern or a digest scans them."""


async def off_loop(size: int, work: Callable[..., T], *given: object) -> T:
    """Return the result of `work(*given)`; run it in a thread if `size` is large."""
    return await asyncio.to_thread(work, *given) if size > SMALL else work(*given)


class Background:
    """A thread that runs until `close`; `what` names its work in the log."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"bridge {what}")

    def start(self, work: Callable[..., object], *given: object) -> None:
        """Queue `work(*given)` without waiting for it."""
        try:
            self._thread.submit(work, *given).add_done_callback(self._log_failure)
        except RuntimeError:  # closed
            logger.warning("Cannot save {}: the bridge has stopped", self._what)

    async def run(self, limit: float, work: Callable[..., T], *given: object) -> T:
        """Return the result of `work(*given)`, or raise its error; raise `TimeoutError` after `limit` seconds."""
        async with asyncio.timeout(limit):
            return await asyncio.wrap_future(self._thread.submit(partial(work, *given)))

    async def close(self) -> None:
        """Wait until all queued work is done."""
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await asyncio.to_thread(self._thread.shutdown)
        except TimeoutError:
            logger.error("Cannot save all of {}: the disk does not respond", self._what)

    def _log_failure(self, done: Future[object]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            logger.warning("Cannot save {}: {}: {}", self._what, type(error).__name__, error)
