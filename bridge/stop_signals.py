"""Handles signals to a running bridge: to stop, with increasing urgency, or to reload its settings."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """The requests of signals.

    `hurry` ends the running chats, and tells whether there are any; `reload` reloads the settings.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry: Callable[[], bool] = lambda: False
        self.reload: Callable[[], None] = lambda: None


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Request the stop at the first SIGTERM or SIGINT; the next ends the running chats, the last cancels the task.

    SIGHUP reloads the settings, unless it comes because the terminal was closed.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if not stop.asked.is_set():
            stop.asked.set()
        elif not stop.hurry() and task is not None:
            task.cancel()

    had_terminal = sys.stdin.isatty()

    def on_hangup() -> None:
        if had_terminal and not sys.stdin.isatty():
            on_signal()  # its terminal was closed
        else:
            stop.reload()

    handlers = {signal.SIGTERM: on_signal, signal.SIGINT: on_signal, signal.SIGHUP: on_hangup}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
