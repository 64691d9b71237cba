"""Memory and CPU of this process and of its browser (all child processes); reading them blocks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from bridge.settings import MEBIBYTE


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """Use of processes: memory in MiB, CPU in percent of one core since the last sample, and total CPU seconds."""

    memory_mb: float
    cpu_percent: float
    cpu_seconds: float = 0.0


class ResourceUsage:
    """Samples the processes; misses the CPU time since the last sample of processes that have ended."""

    def __init__(self) -> None:
        self._own, self._browser = _Meter(), _Meter()

    def sample(self, *, is_elsewhere: bool = False) -> tuple[ResourceSample, ResourceSample | None]:
        """Return the usage of this process, and of its browser if one runs; blocks for some milliseconds.

        If the browser runs elsewhere, its usage is unknown, and child processes count as this process.
        """
        this = psutil.Process()
        children = this.children(recursive=True)
        browser = self._browser.read([] if is_elsewhere else children)
        own = self._own.read([this, *children] if is_elsewhere else [this])
        assert own is not None  # noqa: S101 - this process exists
        return own, browser


class _Meter:
    """Measures a group of processes, which may change between two reads."""

    def __init__(self) -> None:
        self._times: dict[psutil.Process, float] = {}
        self._read_at: float | None = None
        self._seconds = 0.0

    def read(self, processes: Iterable[psutil.Process]) -> ResourceSample | None:
        """Return the total usage of the processes, None without any; shared memory counts once."""
        private, shared, times = 0, 0, {}
        for process in processes:
            with suppress(psutil.Error):
                memory, cpu = process.memory_info(), process.cpu_times()
                own = getattr(memory, "shared", 0)
                private, shared = private + memory.rss - own, max(shared, own)
                times[process] = cpu.user + cpu.system
        percent = self._count(times)
        return (
            ResourceSample(round((private + shared) / MEBIBYTE, 1), percent, round(self._seconds, 2)) if times else None
        )

    def _count(self, times: dict[psutil.Process, float]) -> float:
        """Add the CPU time that the processes used since the last read, and return it in percent of one core."""
        used = sum(max(seconds - self._times.get(process, 0.0), 0.0) for process, seconds in times.items())
        now, before = time.monotonic(), self._read_at
        self._seconds, self._times, self._read_at = self._seconds + used, times, now
        return round(100 * used / (now - before), 1) if before is not None and now > before else 0.0
