"""Usage of a key in the last minute and in the last 24 hours: sliding windows, in steps.

No library is used because the cost of an answer is known only after it was admitted, a reservation may be given back,
and the window of a day survives a restart, being filled from the record of usage.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.chat.rate_limits import RateLimit
from bridge.durations import DAY, MINUTE


class UsageWindow:
    """The amounts of the last `span` seconds, in steps; a step counts until its end is `span` seconds old."""

    def __init__(self, span: float, step: float) -> None:
        self._span, self._step = span, step
        self._steps: dict[int, int] = {}
        """The amount of each step by its number, the oldest first; at most `span / step + 1` of them."""
        self._used = 0

    def add(self, at: float, amount: int) -> None:
        """Add an amount that was used at that Unix time; a negative one takes back what was added for the same time."""
        number = int(at // self._step)
        self._steps[number] = self._steps.get(number, 0) + amount
        self._used += amount

    def used(self, now: float) -> int:
        """Return the amount within the window."""
        for number in list(self._steps):
            if self._ends(number) > now:
                break
            self._used -= self._steps.pop(number)
        return self._used

    def fits_in(self, amount: int, limit: int, now: float) -> float:
        """Return the seconds until `amount` more is within the limit, if nothing else is added."""
        over = self.used(now) + amount - limit
        if over <= 0:
            return 0.0
        for number, part in self._steps.items():
            over -= part
            if over <= 0:
                return self._ends(number) - now
        return self.empty_in(now)

    def empty_in(self, now: float) -> float:
        """Return the seconds until the window is empty, if nothing else is added."""
        self.used(now)
        return max((self._ends(number) - now for number in self._steps), default=0.0)

    def left(self, limit: int, now: float) -> RateLimit:
        """Return what is left of a limit."""
        return RateLimit(limit, max(limit - self.used(now), 0), self.empty_in(now))

    def _ends(self, number: int) -> float:
        return (number + 1) * self._step + self._span


@dataclass(slots=True)
class KeyUsage:
    """The windows of one key, by the names of the limits on them."""

    requests_per_minute: UsageWindow = field(default_factory=lambda: UsageWindow(MINUTE, 1.0))
    requests_per_day: UsageWindow = field(default_factory=lambda: UsageWindow(DAY, MINUTE))
    tokens_per_minute: UsageWindow = field(default_factory=lambda: UsageWindow(MINUTE, 1.0))
    tokens_per_day: UsageWindow = field(default_factory=lambda: UsageWindow(DAY, MINUTE))

    def window(self, name: str) -> UsageWindow:
        """Return the window of a limit."""
        found: UsageWindow = getattr(self, name)
        return found

    def add_requests(self, at: float, count: int) -> None:
        """Add chats that began at that Unix time."""
        self.requests_per_minute.add(at, count)
        self.requests_per_day.add(at, count)

    def add_tokens(self, at: float, count: int) -> None:
        """Add tokens that were used at that Unix time, or take them back."""
        self.tokens_per_minute.add(at, count)
        self.tokens_per_day.add(at, count)
