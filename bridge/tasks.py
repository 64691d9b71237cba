"""Background tasks with an owner: what fails is logged, and nothing outlives `close`."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger

from bridge.errors import BridgeError

PAUSES = (1.0, 5.0, 30.0, 60.0)
"""Seconds before a task that must not end is started again; the last one repeats."""


class Tasks:
    """Owns the tasks of one object; a failing task is logged and harms no other."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in the background until it ends or `close` cancels it."""
        task = asyncio.get_running_loop().create_task(_survived(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that is cancelled before it began was never awaited
        return task

    def keep(self, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Run `work` in the background, and start it again whenever it ends, until `close` cancels it."""
        return self.start(_again_and_again(work))

    async def finish(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` to its end; raise its `BridgeError`, or log it where the caller has left in the meantime."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                await work
            except BridgeError as error:
                ended.set_exception(error)
            else:
                ended.set_result(None)

        try:
            await asyncio.wait({self.start(run())})
        except asyncio.CancelledError:
            ended.add_done_callback(_log_failure)
            raise
        work.close()  # one that is cancelled before it began was never awaited
        if not ended.done():  # stopped by `close`, or failed in a way that is in the log
            raise BridgeError("The change was not made to its end; the log tells more.")
        ended.result()

    async def close(self) -> None:
        """Cancel what still runs, and wait for it; the calling task is left alone."""
        running = self._tasks - {asyncio.current_task()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


async def first(*work: Coroutine[Any, Any, object]) -> None:
    """Run all of it until one part has ended, cancel the rest, and raise what that part raised."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled():
            task.result()


@contextmanager
def errors_logged(what: str) -> Iterator[None]:
    """Log an error that is raised inside, and go on: it must not stop the caller, who can do nothing about it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - an outermost edge: of a task, or of a listener
        log_unexpected(error, what)


def is_cancelled() -> bool:
    """Tell whether the running task was asked to end; libraries raise `CancelledError` for reasons of their own."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def log_unexpected(error: BaseException, where: str) -> None:
    """Log where `error` came from; of errors that are not ours without the message, which could hold text of a chat."""
    says = f": {error.message}" if isinstance(error, BridgeError) else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Unexpected {} ({}){}\n{}", type(error).__qualname__, where, says, frames)


def _log_failure(ended: asyncio.Future[None]) -> None:
    error = ended.exception()
    if isinstance(error, BridgeError):
        logger.warning("An operation failed after its caller had stopped waiting: {}", error.message)


async def _survived(work: Coroutine[None, None, None]) -> None:
    with errors_logged("in a background task"):
        await work


async def _again_and_again(work: Callable[[], Coroutine[None, None, None]]) -> None:
    ends = 0
    while True:
        with errors_logged("in a task that is started again"):
            await work()
        await asyncio.sleep(PAUSES[min(ends, len(PAUSES) - 1)])
        ends += 1
