"""The cluster's common time: Redis' TIME at the last step, advanced by this node's monotonic clock.

All times between nodes use it: when a call was signed, until when an account is parked, when it last sent a prompt.
A node whose own wall clock is wrong logs that, and keeps working.

Redis' own clock may jump forward, too: then leases expire while their owners still rely on them. `latest` bounds what
it can show; after a larger jump this node takes no account for the length of a lease, so that owners can renew.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

SMALL = 0.1
"""Share of a lease by which Redis' clock may differ from the expected time; less than the margin that owners keep."""
QUICK = 0.05
"""Longest call, as a share of a lease, that updates the time: Redis may have read its clock at any moment of it."""
NOTED = 2.0
"""Seconds by which a wall clock may differ before the bridge warns."""


def elapsed() -> float:
    """Return the seconds of a monotonic clock that also runs while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClusterClock:
    """The clock of one node, where leases last `seconds`; before the first measurement it is the node's wall clock."""

    def __init__(
        self,
        seconds: float,
        steady: Callable[[], float] = elapsed,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._steady = steady
        self._wall = wall
        self._known: tuple[float, float, float] | None = None
        """Redis' time, and the steady clock before and after the call that returned it."""
        self._calm_at = 0.0
        self._is_wrong = False

    def note(self, redis_time: float, asked: float) -> None:
        """Record Redis' TIME from a call that began when the steady clock (`elapsed`) showed `asked`."""
        answered, is_known = self._steady(), self._known is not None
        jump = self._jump(redis_time, asked, answered)
        if jump or not is_known or answered - asked <= QUICK * self._seconds:
            self._known = redis_time, asked, answered
        if jump > 0:
            self._calm_at = answered + self._seconds
        if jump:
            way = "forward" if jump > 0 else "back"
            logger.warning(
                "The clock of Redis jumped {} by {:.1f} seconds; accounts stay where they are", way, abs(jump)
            )
        self._log_change()

    def _jump(self, redis_time: float, asked: float, answered: float) -> float:
        """Return the fewest seconds by which Redis' clock must have jumped; negative if back, 0 if uncertain."""
        if self._known is None:
            return 0.0
        before, first_asked, first_answered = self._known
        most, least = answered - first_asked, asked - first_answered
        passed, small = redis_time - before, SMALL * self._seconds
        if passed > most + small:
            return passed - most
        return passed - least if passed < least - small else 0.0

    def now(self) -> float:
        """Return the cluster's time in Unix seconds."""
        if self._known is None:
            return self._wall()
        redis_time, asked, answered = self._known
        return redis_time + self._steady() - (asked + answered) / 2

    @property
    def latest(self) -> float | None:
        """Return the latest time that Redis' clock can show unless it has jumped; None before the first measurement."""
        if self._known is None:
            return None
        redis_time, asked, _ = self._known
        return redis_time + self._steady() - asked + SMALL * self._seconds

    @property
    def is_calm(self) -> bool:
        """Tell whether every owner has had time to renew since Redis' clock last jumped forward."""
        return self._steady() >= self._calm_at

    @property
    def ahead(self) -> float:
        """Return how many seconds this node's wall clock is ahead, negative if behind; 0 if the difference is small."""
        difference = self._wall() - self.now()
        return round(difference, 1) if abs(difference) >= NOTED else 0.0

    def _log_change(self) -> None:
        """Log when the wall clock becomes wrong, or right again."""
        ahead = self.ahead
        if ahead and not self._is_wrong:
            logger.warning("The clock of this node is {} that of Redis; set it right", difference_in_words(ahead))
        elif self._is_wrong and not ahead:
            logger.info("The clock of this node is right again")
        self._is_wrong = bool(ahead)


def difference_in_words(ahead: float) -> str:
    """Return the difference of two clocks in words, such as "5 seconds ahead of"."""
    return f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'}"
