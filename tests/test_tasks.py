"""Tasks with an owner: what is begun is done to its end, and what goes wrong with it is told."""

from __future__ import annotations

import asyncio
import gc

from loguru import logger

from bridge.errors import BridgeError
from bridge.tasks import Tasks


async def test_a_failure_of_what_nobody_waits_for_any_more_is_in_the_log() -> None:
    lines: list[str] = []
    unheard: list[object] = []
    may_fail, tasks = asyncio.Event(), Tasks()

    async def work() -> None:
        await may_fail.wait()
        raise BridgeError("The disk is full.")

    loop = asyncio.get_running_loop()
    sink, before = logger.add(lines.append, format="{message}"), loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    try:
        asking = loop.create_task(tasks.finish(work()))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        may_fail.set()
        while tasks._tasks:
            await asyncio.sleep(0)
        gc.collect(1)
        assert [line.strip() for line in lines] == [
            "An operation failed after its caller had stopped waiting: The disk is full."
        ]
        assert unheard == []
    finally:
        logger.remove(sink)
        loop.set_exception_handler(before)
        await tasks.close()
