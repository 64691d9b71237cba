"""The figures of the last day, in one bucket per minute; each bucket holds a bounded number."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bridge.monitor.resource_usage import ResourceSample
from bridge.telemetry import ChatEnded

STEP = 60
"""Seconds of a bucket."""
KEPT = 24 * 60
"""Buckets that are kept: one day."""
MOST_FIGURES = 300
"""Most figures per kind and bucket; further ones replace the oldest."""
MOST_RESULTS = 20
"""Most different results per bucket; further ones are not counted."""
SHORTEST = 0.05
"""Least seconds of an answer for which a speed is computed."""
MEDIANS = ("waiting", "first_token", "tokens_per_second")
LOADS = ("browser_mb", "process_mb", "browser_cpu", "process_cpu")


@dataclass(slots=True)
class Bucket:
    """The figures of one minute, which began at the Unix time `time`."""

    time: int
    figures: dict[str, deque[float]] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, figure: float | None) -> None:
        """Add a figure, unless it is None."""
        if figure is not None:
            self.figures.setdefault(name, deque(maxlen=MOST_FIGURES)).append(figure)

    def close(self) -> None:
        """Reduce each kind of figures to its median, once the minute is over."""
        self.figures = {name: deque((median(figures),)) for name, figures in self.figures.items()}

    def value(self, name: str) -> float | None:
        """Return the median of a kind of figures, or None if there are none."""
        return round(median(self.figures[name]), 4) if name in self.figures else None


class Charts:
    """The buckets of the last day."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._buckets: deque[Bucket] = deque(maxlen=KEPT)

    def chat(self, fact: ChatEnded) -> None:
        """Add the result and the times of a chat."""
        bucket, marks = self._now(), fact.marks
        if fact.result in bucket.results or len(bucket.results) < MOST_RESULTS:
            bucket.results[fact.result] += 1
        bucket.add("waiting", marks.get("started"))
        bucket.add("first_token", marks.get("first_token"))
        bucket.add("tokens_per_second", speed(fact.tokens, marks))

    def load(self, process: ResourceSample, browser: ResourceSample | None) -> None:
        """Add a resource sample."""
        bucket = self._now()
        bucket.add("process_mb", process.memory_mb)
        bucket.add("process_cpu", process.cpu_percent)
        if browser is not None:
            bucket.add("browser_mb", browser.memory_mb)
            bucket.add("browser_cpu", browser.cpu_percent)

    def point(self) -> dict[str, Any]:
        """Return the current bucket as JSON."""
        bucket = self._now()
        values = {name: bucket.value(name) for name in (*MEDIANS, *LOADS)}
        return {"time": bucket.time, "series": {**values, "chats": dict(bucket.results)}}

    def series(self, hours: float) -> dict[str, Any]:
        """Return the buckets of the last hours as JSON, with None for minutes without figures."""
        end = self._now().time
        begin = end - STEP * (min(round(hours * 3600 / STEP), KEPT) - 1)
        found = {bucket.time: bucket for bucket in self._buckets if bucket.time >= begin}
        times = list(range(begin, end + 1, STEP))
        buckets = [found.get(moment) for moment in times]
        series: dict[str, Any] = {
            name: [bucket and bucket.value(name) for bucket in buckets] for name in (*MEDIANS, *LOADS)
        }
        results = dict.fromkeys(result for bucket in found.values() for result in bucket.results)
        series["chats"] = {name: [(bucket and bucket.results[name]) or None for bucket in buckets] for name in results}
        return {"step": STEP, "times": times, "series": series}

    def _now(self) -> Bucket:
        moment = int(self._clock()) // STEP * STEP
        if not self._buckets or self._buckets[-1].time < moment:
            if self._buckets:
                self._buckets[-1].close()
            self._buckets.append(Bucket(moment))
        return self._buckets[-1]


def speed(tokens: int, marks: Mapping[str, float]) -> float | None:
    """Return the tokens per second of an answer, or None if it was too short."""
    taken = marks.get("end", 0.0) - marks.get("first_token", marks.get("end", 0.0))
    return tokens / taken if tokens and taken >= SHORTEST else None
