"""Records when each account was used, opened and put to sleep, and orders accounts by their last use."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.durations import HOUR
from bridge.pool.account import Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.settings import SleepSettings
from bridge.telemetry import WorkerState

FIRST_REFRESH = HOUR
"""Seconds within which an account that was not opened at the start is opened briefly, as its login may have ended."""
JITTER = 0.2
"""Largest share of its time by which a sleeping account is opened earlier, at random."""


@dataclass(slots=True)
class Use:
    """When an account had its last chat, was opened, and fell asleep, in monotonic seconds."""

    used: float
    opened: float | None = None
    asleep: float | None = None
    refresh_at: float = 0.0

    @property
    def idle_since(self) -> float:
        """Return since when the account is idle, if it is."""
        return max(self.used, self.opened or self.used)


class AccountUses:
    """The uses of the operator's accounts; accounts of clients' tokens are closed elsewhere."""

    def __init__(
        self,
        own: Callable[[], Sequence[Slot]],
        queue: ChatQueue,
        settings: SleepSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._queue = queue
        self._settings = settings
        self.clock = clock
        self._busy: set[Slot | None] = set()
        self.of: dict[Slot, Use] = {}

    def note(self) -> None:
        """Record the accounts in use now or at the last call, and those opened or put to sleep since."""
        now, busy = self.clock(), self._queue.busy()
        self.of = {slot: self.of.get(slot) or Use(self._last_send(slot)) for slot in self._own()}
        for slot, use in self.of.items():
            if slot in busy or slot in self._busy:
                use.used = now
            if slot.state is WorkerState.ASLEEP and use.asleep is None:
                use.asleep, use.refresh_at = now, now + self._refresh_after(use)
            elif slot.state is WorkerState.READY and (use.asleep is not None or use.opened is None):
                use.asleep, use.opened = None, now
        self._busy = busy

    def idle(self) -> list[Slot]:
        """Return the open accounts that are not in use, the longest unused first."""
        busy = self._queue.busy()
        idle = [slot for slot in self.of if slot.state is WorkerState.READY and slot not in busy and not slot.is_held]
        return sorted(idle, key=self._order)

    def unused(self) -> list[Slot]:
        """Return the idle accounts that may be closed by now, except the most recently used open ones."""
        now, after, keep = self.clock(), self._settings.after, self._settings.keep_open
        open_ones = sorted((slot for slot in self.of if slot.takes_chats), key=self._order, reverse=True)
        kept = open_ones[:keep]
        idle = [slot for slot in self.idle() if slot not in kept]
        return [slot for slot in idle if after and now - self.of[slot].idle_since >= after]

    def stale(self) -> Slot | None:
        """Return an account that has slept so long that it should be opened briefly, if there is one."""
        sleeping = [
            (use.refresh_at, slot.worker.name, slot)
            for slot, use in self.of.items()
            if slot.state is WorkerState.ASLEEP and not slot.is_held and use.refresh_at <= self.clock()
        ]
        return min(sleeping)[2] if sleeping else None

    def running(self) -> list[Slot]:
        """Return the accounts with chats that may get more, the one with the longest running chat first."""
        leases = sorted((lease for lease in self._queue.chats() if lease.slot in self.of), key=lambda one: one.since)
        return [lease.slot for lease in leases if lease.slot is not None and not lease.slot.is_leaving]

    def _order(self, slot: Slot) -> tuple[float, float]:
        use = self.of[slot]
        return use.used, use.idle_since

    def _last_send(self, slot: Slot) -> float:
        """Return the monotonic time of the account's last send, even before a restart; minus infinity without one."""
        return self.clock() - (slot.now() - slot.sends[-1]) if slot.sends else float("-inf")

    def _refresh_after(self, use: Use) -> float:
        most = (self._settings.refresh_hours or float("inf")) * HOUR
        most = min(most, FIRST_REFRESH) if use.opened is None and self._settings.refresh_hours else most
        return most * random.uniform(1 - JITTER, 1)  # noqa: S311 - a pace
