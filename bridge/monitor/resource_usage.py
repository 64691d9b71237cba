"""Memory and CPU of this process and of its browser (all child processes); reading them blocks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from bridge.settings import MEBIBYTE


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """What processes use: MiB of memory, and CPU in percent of one core since the last sample."""

    memory_mb: float
    cpu_percent: float


class ResourceUsage:
    """Samples the processes; keeps their objects, because psutil counts CPU time between two calls on the same one."""

    def __init__(self) -> None:
        self._own: psutil.Process | None = None
        self._children: dict[int, psutil.Process] = {}

    def sample(self) -> tuple[ResourceSample, ResourceSample | None]:
        """Return the usage of this process, and of its browser if one runs; blocks for some milliseconds."""
        known, this = self._children, self._own or psutil.Process()
        self._own = this
        self._children = {child.pid: known.get(child.pid, child) for child in this.children(recursive=True)}
        own = _load([this])
        assert own is not None  # noqa: S101 - this process is there
        return own, _load(self._children.values())


def _load(processes: Iterable[psutil.Process]) -> ResourceSample | None:
    """Return the usage of all processes together; shared memory counts once."""
    private, shared, cpu, count = 0, 0, 0.0, 0
    for process in processes:
        with suppress(psutil.Error):
            memory = process.memory_info()
            own = getattr(memory, "shared", 0)
            private, shared = private + memory.rss - own, max(shared, own)
            cpu += process.cpu_percent()
            count += 1
    return ResourceSample(round((private + shared) / MEBIBYTE, 1), round(cpu, 1)) if count else None
