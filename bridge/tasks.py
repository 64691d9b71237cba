"""Background tasks with an owner: what fails is logged, and nothing outlives `close`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from loguru import logger


class Tasks:
    """Owns the tasks of one object; a failing task is logged and harms no other."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in the background until it ends or `close` cancels it."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before it began was never awaited
        return task

    async def close(self) -> None:
        """Cancel what still runs, and wait for it; the calling task is left alone."""
        running = self._tasks - {asyncio.current_task()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - the outermost edge of a background task
            logger.opt(exception=True).error("A background task failed")
