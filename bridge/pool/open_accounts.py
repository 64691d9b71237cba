"""Decides which accounts are open: closes the pages of idle ones, and opens those that are needed now or soon.

`plan` depends only on the queue and the accounts, so it may run after every change. Its order is that of urgency:
waiting chats, in their order; a spare account if all open ones are busy; a sleeping one whose login must be kept fresh.
If the limit leaves no room, another account is closed first: an idle one or, for a conversation, which can continue
nowhere else, a busy one after its chat. The next plan, once that is closed, finds the room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from bridge.durations import HOUR, MINUTE
from bridge.pool.account import Slot
from bridge.pool.account_needs import REFRESH, AccountNeeds, Need
from bridge.pool.account_uses import AccountUses
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.settings import SleepSettings
from bridge.tasks import Tasks, errors_logged
from bridge.telemetry import WorkerState

TICK = 2.0
"""Seconds between two plans without another change."""
MEMORY_EVERY = 10.0
"""Seconds after closing an account for its memory before another one may be closed, as the measurement lags."""
REFRESH_GAP = MINUTE
"""Seconds between the starts of two openings that keep a login fresh."""
UNUSED = "It was idle for a while; a chat that needs it opens it."
MADE_ROOM = "Another account needed its place (sleep.max_open); a chat that needs this one opens it."
MEMORY = "The browser takes too much memory (sleep.max_memory); a chat that needs this account opens it."
REFRESHED = "It was opened to keep its login fresh; a chat that needs it opens it."


class OpenAccounts:
    """The plan of open accounts, by the settings and the queue."""

    def __init__(
        self,
        supervisor: Supervisor,
        queue: ChatQueue,
        settings: SleepSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisor = supervisor
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._uses = AccountUses(lambda: supervisor.own, queue, settings, lambda: self._clock())
        self._needs = AccountNeeds(queue, self._uses)
        self._refreshing: Slot | None = None
        self._refreshed_at = self._closed_at = -HOUR
        self._planned: asyncio.Handle | None = None
        self._tasks = Tasks()
        self.memory: Callable[[], float | None] = lambda: None
        """Returns the memory of the browser in MiB, if that is known."""
        self.memory_limit: Callable[[], float] = lambda: 0.0
        """Returns the limit in MiB above which idle accounts are closed; 0: no limit."""

    def start(self) -> None:
        """Start to plan, after each change and periodically."""
        self._queue.on_assigned = self._plan_soon
        self._supervisor.has_room = self._has_room
        self._tasks.keep(self._tick)

    async def close(self) -> None:
        """Stop planning."""
        self._queue.on_assigned = lambda: None
        if self._planned is not None:
            self._planned.cancel()
        await self._tasks.close()

    def plan(self) -> None:
        """Open and close what is due now."""
        if self._queue.is_draining:
            return
        self._uses.note()
        self._end_refresh()
        for slot in self._uses.idle():
            if slot.is_leaving:
                self._supervisor.put_to_sleep(slot, MADE_ROOM)
        self._open_needed()
        for slot in self._uses.unused():
            self._supervisor.put_to_sleep(slot, UNUSED)
        self._close_excess()

    def _plan_soon(self) -> None:
        """Plan after the current callback: a change may be one of several, or come from a plan itself.

        Busy accounts are recorded at once, as a chat may start and end before the plan.
        """
        self._uses.note()
        if self._planned is None:
            self._planned = asyncio.get_running_loop().call_soon(self._plan_now)

    def _plan_now(self) -> None:
        self._planned = None
        with errors_logged("while deciding which accounts are open"):
            self.plan()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.plan()

    def _has_room(self, slot: Slot) -> bool:
        """Tell whether a closed account may be opened."""
        return slot.is_token_account or self._room() > 0

    def _room(self) -> float:
        """Return how many more accounts may be open; negative if too many are."""
        number = self._number_open()
        if number and self._is_over_memory():
            return 0
        return float("inf") if self._settings.max_open is None else self._settings.max_open - number

    def _number_open(self) -> int:
        """Return how many accounts take memory, or are about to."""
        return sum(slot.is_open or slot.is_wanted for slot in self._supervisor.slots)

    def _number_closing(self) -> int:
        """Return how many accounts are closing, or will close after their chat."""
        slots = self._supervisor.slots
        return sum(slot.is_leaving or (slot.is_open and slot.state is WorkerState.ASLEEP) for slot in slots)

    def _is_over_memory(self) -> bool:
        limit, used = self.memory_limit(), self.memory()
        return bool(limit) and used is not None and used > limit

    def _open_needed(self) -> None:
        """Open the needed accounts as far as there is room; else close others, which makes room for a later plan."""
        if not any(slot.state is WorkerState.ASLEEP for slot in self._uses.of):
            return
        room, coming = self._room(), self._number_closing()
        for need in self._all_needs():
            if room > 0:
                room -= 1
                self._open(need)
            elif coming > 0:
                coming -= 1
            elif need.give_way:
                self._let_go(need.give_way[0])

    def _all_needs(self) -> Iterator[Need]:
        yield from self._needs.for_chats()
        if any(lease.is_waiting for lease in self._queue.chats()) or self._is_over_memory():
            return
        yield from self._needs.spares()
        is_time = self._refreshing is None and self._clock() >= self._refreshed_at + REFRESH_GAP
        if is_time and (slot := self._uses.stale()) is not None:
            yield Need(slot, REFRESH, self._uses.idle())

    def _open(self, need: Need) -> None:
        if need.reason == REFRESH:
            self._refreshing, self._refreshed_at = need.slot, self._clock()
        self._supervisor.wake(need.slot, need.reason)

    def _let_go(self, slot: Slot) -> None:
        """Close an account now, or after its chat."""
        slot.is_leaving = True
        if slot not in self._queue.busy():
            self._supervisor.put_to_sleep(slot, MADE_ROOM)

    def _end_refresh(self) -> None:
        """Close the account that was opened to keep its login fresh, unless it has a chat."""
        slot = self._refreshing
        if slot is None or slot.state is WorkerState.STARTING:
            return
        self._refreshing = None
        if slot in self._uses.idle():
            self._supervisor.put_to_sleep(slot, REFRESHED)

    def _close_excess(self) -> None:
        """Close idle accounts if too many are open, or they take too much memory."""
        now, stays = self._clock(), self._number_open() - self._number_closing()
        if self._settings.max_open is not None:
            for slot in self._uses.idle()[: max(stays - self._settings.max_open, 0)]:
                self._supervisor.put_to_sleep(slot, MADE_ROOM)
                stays -= 1
        idle = self._uses.idle()
        if self._is_over_memory() and now - self._closed_at >= MEMORY_EVERY and idle and stays > 1:
            self._closed_at = now
            self._supervisor.put_to_sleep(idle[0], MEMORY)
