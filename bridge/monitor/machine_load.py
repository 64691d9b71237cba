"""Load of the machine, relative to the container's limits if it has some; reading blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""The files of the container's cgroup (v2)."""


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """Shares of CPU and memory in use, from 0 to 1."""

    cpu: float = 0.0
    memory: float = 0.0


class Machine:
    """Reads the load; the CPU share is that since the previous reading."""

    def __init__(self, cgroup: Path = CGROUP) -> None:
        self._cgroup = cgroup
        self._last = 0.0, 0.0

    def load(self, own_percent: float) -> MachineLoad:
        """Return the load; `own_percent` is the CPU use of this bridge and its browser, in percent of one core."""
        busy = self._busy()
        cores = self._cores()
        return MachineLoad(_share(busy if cores is None else own_percent / 100 / cores), _share(self._memory()))

    def memory(self) -> int:
        """Return the bytes of memory of the machine, or of the container if its limit is lower."""
        total = int(psutil.virtual_memory().total)
        return min(self._number("memory.max") or total, total)

    def _busy(self) -> float:
        """Return the share of all cores in use since the last call."""
        times = psutil.cpu_times()
        total, idle = sum(times) - getattr(times, "guest", 0.0), times.idle + getattr(times, "iowait", 0.0)
        passed, rested = total - self._last[0], idle - self._last[1]
        self._last = total, idle
        return 1 - rested / passed if passed > 0 else 0.0

    def _cores(self) -> float | None:
        """Return how many cores the container may use, or None without a limit."""
        quota, period = (*self._words("cpu.max"), "", "")[:2]
        return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(quota) else None

    def _memory(self) -> float:
        """Return the share of memory in use; reclaimable cache counts as free."""
        limit, used = self._number("memory.max"), self._number("memory.current")
        if not limit or used is None:
            return float(psutil.virtual_memory().percent) / 100
        words = self._words("memory.stat")
        cache = dict(zip(words[::2], words[1::2], strict=False)).get("inactive_file", "0")
        return (used - int(cache)) / limit

    def _number(self, name: str) -> int | None:
        """Return the number in a file of the cgroup; None if it says `max` or does not exist."""
        word = (*self._words(name), "")[0]
        return int(word) if word.isdecimal() else None

    def _words(self, name: str) -> list[str]:
        try:
            return (self._cgroup / name).read_text("ascii").split()
        except (OSError, ValueError):
            return []


def _share(number: float) -> float:
    return round(min(max(number, 0.0), 1.0), 4)
