"""Checks that the product never holds up the event loop: no call that blocks, no step that computes for long.

Neither check uses the wall clock, so a busy machine makes no difference: blocking calls are found by Python's audit
events, long steps by the processor time of the loop's thread. Calls and steps of the test itself do not count.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from pathlib import Path
from types import FrameType
from typing import Any

import bridge

LONGEST = 0.1
"""Most seconds of processor time for one step."""
LOOK_EVERY = 0.02
BLOCKING = frozenset(
    (
        *("open", "subprocess.Popen", "sqlite3.connect", "socket.getaddrinfo", "glob.glob"),
        *("os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"),
        *("os.chmod", "os.truncate", "shutil.copyfile", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"),
    )
)
"""Audit events of calls that wait for a disk, a name server or a process."""
PRODUCT = str(Path(bridge.__file__).parent)
APART = tuple(f"{PRODUCT}/{name}/" for name in ("demo", "bench"))
"""Modules that serve only the person at the terminal."""
TESTS = str(Path(__file__).parent.parent)
EXCUSED = ("<frozen importlib", "linecache.py", "traceback.py", "asyncio/base_events.py", "asyncio/unix_events.py")
"""Files whose calls may block: imports and a traceback's lines are read once, and processes start nowhere else."""
ASYNC = CO_COROUTINE | CO_ASYNC_GENERATOR

found: list[str] = []
"""The blocking calls and long steps since the list was last emptied."""


def culprit(frame: FrameType | None) -> str | None:
    """Return the line of the product that holds up the loop, if any."""
    line = None
    while frame is not None:
        file = frame.f_code.co_filename
        if any(excused in file for excused in EXCUSED) and frame.f_code.co_name not in LOOP_STEPS:
            return None
        if file.startswith((TESTS, *APART)) and file != __file__:
            return None
        if file.startswith(PRODUCT):
            line = line or f"{file}:{frame.f_lineno} in {frame.f_code.co_name}"
            if frame.f_code.co_flags & ASYNC:
                return line
        frame = frame.f_back
    return line


LOOP_STEPS = ("run_forever", "run_until_complete", "_run_once")


class Step:
    """The step that a thread's loop is running; `began` is in its processor time.

    `collected` is the time of the garbage collector in it, in seconds, counted from its beginning, because the watching
    thread may see the step for the first time after a collection.
    """

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.began: float | None = None
        self.collected = 0.0

    def run(self, callback: Callable[..., object], *given: object) -> object:
        """Run one step."""
        self.collected, self.began = 0.0, time.thread_time()
        try:
            return callback(*given)
        finally:
            self.began = None


class GuardedLoop(asyncio.SelectorEventLoop):
    """A loop that knows when its present step began."""

    def __init__(self, step: Step) -> None:
        self._step = step
        super().__init__()

    def _call_soon(self, callback: Any, args: Any, context: Any) -> Any:
        return super()._call_soon(partial(self._step.run, callback), args, context)  # type: ignore[misc]

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Call back at a time; see `BaseEventLoop.call_at`."""
        return super().call_at(when, partial(self._step.run, callback), *args, context=context)

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        return super()._add_reader(fd, partial(self._step.run, callback), *args)  # type: ignore[misc]

    async def _accept_connection2(
        self, protocol: Any, taken: Any, extra: Any, tls: Any, server: Any, *limits: Any
    ) -> None:
        """Close a connection that is accepted while its server closes; asyncio leaves it to the garbage collector."""
        if server is not None and not server.is_serving():
            taken.close()
            return
        await super()._accept_connection2(protocol, taken, extra, tls, server, *limits)  # type: ignore[misc]


def on_blocking(event: str) -> None:
    """Record a blocking call, if the product makes it on the loop."""
    if asyncio._get_running_loop() is not None and (line := culprit(sys._getframe(2))):
        found.append(f"{event} blocks the loop: {line}")


class Watch:
    """A thread that times the steps of a loop, without the time of the garbage collector."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._thread = step.thread
        self._clock = time.pthread_getcpuclockid(self._thread)
        self._collecting: float | None = None
        self._is_over = threading.Event()
        self._looker = threading.Thread(target=self._look, daemon=True)

    def start(self) -> None:
        """Start watching."""
        gc.callbacks.append(self._on_collection)
        self._looker.start()

    def stop(self) -> None:
        """Stop watching."""
        self._is_over.set()
        self._looker.join()
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, _: object) -> None:
        if threading.get_ident() == self._thread:
            if phase == "start":
                self._collecting = time.thread_time()
            elif self._collecting is not None:
                self._step.collected += time.thread_time() - self._collecting
                self._collecting = None

    def _look(self) -> None:
        told = None
        while not self._is_over.wait(LOOK_EVERY):
            began = self._step.began
            if began is None or began == told or tracemalloc.is_tracing() or self._collecting is not None:
                continue
            took = time.clock_gettime(self._clock) - began - self._step.collected
            frame = sys._current_frames().get(self._thread)
            if took > LONGEST and self._step.began == began and (line := culprit(frame)):
                told = began
                found.append(f"a step of the loop computes for {took:.2f} s and more: {line}")


def taken() -> Iterator[str]:
    """Yield what was seen, and empty the list."""
    while found:
        yield found.pop(0)
