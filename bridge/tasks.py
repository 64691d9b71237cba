"""Background tasks with an owner: failures are logged, and no task outlives `close`."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger

from bridge.errors import BridgeError

PAUSES = (1.0, 5.0, 30.0, 60.0)
"""Seconds before a task that must not end is restarted; the last one repeats."""


class Tasks:
    """The tasks of one object; a failing task is logged and does not affect others."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in the background until it ends or `close` cancels it."""
        task = asyncio.get_running_loop().create_task(_survived(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before it started, it was never awaited
        return task

    def keep(self, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Run `work` in the background, and restart it whenever it ends, until `close` cancels it."""
        return self.start(_again_and_again(work))

    async def finish(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` to its end; raise its `BridgeError`, or log it if the caller was cancelled meanwhile."""
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
        work.close()  # cancelled before it started, it was never awaited
        if not ended.done():  # stopped by `close`, or failed with a logged error
            raise BridgeError("The change was not completed; the log has the reason.")
        ended.result()

    async def close(self) -> None:
        """Cancel the running tasks, except the calling one, and wait for them."""
        running = self._tasks - {asyncio.current_task()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


async def first(*work: Coroutine[Any, Any, object]) -> None:
    """Run coroutines until one has ended, cancel the others, and raise its error."""
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
    """Log an error of the body instead of raising it, as the caller cannot handle it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - an outermost edge: of a task, or of a listener
        log_unexpected(error, what)


def is_cancelled() -> bool:
    """Tell whether the running task was cancelled; libraries raise `CancelledError` for other reasons, too."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def log_unexpected(error: BaseException, where: str) -> None:
    """Log `error` with its traceback; without the message of other libraries' errors, which may hold a chat's text."""
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
        with errors_logged("in a task that is restarted"):
            await work()
        await asyncio.sleep(PAUSES[min(ends, len(PAUSES) - 1)])
        ends += 1
