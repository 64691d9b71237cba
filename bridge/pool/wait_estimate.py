"""Estimates how long a chat would wait for an account, for the `Retry-After` of refused chats."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence

from bridge.pool.account import JITTER, Slot
from bridge.pool.lease import Lease

FIRST_GUESS = 5.0
"""Assumed seconds of a chat before any has ended, and the wait for clients if nothing is known."""
WEIGHT = 0.2
"""Weight of the last chat in the moving mean."""


class WaitEstimate:
    """A moving mean of the time that chats have their accounts, with the resulting waits in the queue."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def note(self, seconds: float) -> None:
        """Record how long a chat had its account."""
        self._mean = seconds if self._mean is None else self._mean + WEIGHT * (seconds - self._mean)

    def wait(self, lease: Lease, leases: Sequence[Lease], before: Sequence[Lease]) -> float:
        """Return the seconds until the chat of `lease` would get an account, with the chats `before` it."""
        others = [other for other in leases if other is not lease]
        ahead = sum(any(slot in lease.fitting for slot in other.fitting) for other in before)
        holders = {other.slot: other for other in others if other.slot is not None}
        known = [(self._free_in(slot, holders.get(slot)), self._turn(slot)) for slot in lease.fitting]
        free = [(seconds, turn) for seconds, turn in known if seconds is not None]
        if not free:
            return FIRST_GUESS
        heapq.heapify(free)
        for _ in range(ahead):  # each chat ahead takes the account that is free first
            seconds, turn = free[0]
            heapq.heapreplace(free, (seconds + turn, turn))
        return free[0][0]

    def _turn(self, slot: Slot) -> float:
        """Return the seconds from one chat on the account to the next."""
        lasts = FIRST_GUESS if self._mean is None else self._mean
        return max(lasts, slot.least_pause * (1 + JITTER / 2))

    def _free_in(self, slot: Slot, holder: Lease | None) -> float | None:
        """Return the seconds until the account is free; None if unknown."""
        now = time.monotonic()
        if holder is not None:
            return max(holder.since + self._turn(slot) - now, 0.0)
        if (slot.is_parked and not slot.can_wake) or slot.is_paused:
            return slot.back_in
        return max(slot.free_at - now, 0.0)
