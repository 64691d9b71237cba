"""Limits how often something may happen for each of many keys, such as an address, in bounded memory.

It is the generic cell rate algorithm: one number per key, the moment at which its bucket would be empty again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Throttle:
    """A limit of `burst` events of a key at once, and then one every `interval` seconds."""

    def __init__(
        self, burst: int, interval: float, most_keys: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tolerance = (burst - 1) * interval
        self._interval = interval
        self._most_keys = most_keys
        self._clock = clock
        self._empty_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, key: Hashable = None) -> float:
        """Count an event and return 0, or return the seconds until the next one is allowed."""
        wait = self.wait(key)
        if not wait:
            self._empty_at[key] = max(self._empty_at.pop(key, 0.0), self._clock()) + self._interval
            if len(self._empty_at) > self._most_keys:
                self._empty_at.popitem(last=False)
        return wait

    def wait(self, key: Hashable = None) -> float:
        """Return the seconds until the next event is allowed, and count none."""
        return max(self._empty_at.get(key, 0.0) - self._clock() - self._tolerance, 0.0)
