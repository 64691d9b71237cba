"""Sets the states of accounts, stores those that must survive a restart, and notifies listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.pool.account import Slot
from bridge.pool.error_policy import Transition
from bridge.pool.operator_visits import SOON_OVER
from bridge.storage.account_states import AccountState, StoredAccountStates
from bridge.tasks import errors_logged
from bridge.telemetry import Telemetry, WorkerChanged, WorkerState

WARNINGS = (WorkerState.RESTING, WorkerState.MUTED)
"""States after which an account sends at a slower pace for `CAUTIOUS_SENDS` sends."""
CAUTIOUS_SENDS = 3

REOPENED = "It is being reopened."
USED_UP = "The account has used up its quota (pool.turns_per_hour, pool.turns_per_day)."
SOLVED = "A person has solved the site's check."
ASKED = "It is opened at the operator's request."
NO_ROOM = "The limit of open accounts is reached (sleep.max_open); a chat that needs this one opens it."


class AccountStates:
    """The only code that changes accounts' states; calls `on_change` after every change."""

    def __init__(self, telemetry: Telemetry, stored: StoredAccountStates, on_change: Callable[[], None]) -> None:
        self._telemetry = telemetry
        self._stored = stored
        self._on_change = on_change
        self._changed = asyncio.Event()
        self.rename, self.forget, self.close = stored.rename, stored.forget, stored.close

    def change(self, slot: Slot, what: Transition, reason: str = "") -> None:
        """Set the account's state, store it, and notify listeners, whose errors do not undo it."""
        slot.looks += what.state is not WorkerState.STARTING
        if (slot.state, slot.until, slot.reason) != (what.state, what.until, reason):
            slot.state, slot.reason, slot.until = what.state, reason, what.until
            if what.state in WARNINGS:
                slot.caution = CAUTIOUS_SENDS
            self._store(slot)
            self._telemetry.emit(WorkerChanged(slot.worker.name, what.state, reason, what.until))
            self.notify()
        self._changed.set()

    def notify(self) -> None:
        """Notify listeners that the accounts that can take chats have changed."""
        with errors_logged("while assigning chats to accounts"):
            self._on_change()

    async def next_change(self) -> None:
        """Wait until the state of any account is determined."""
        self._changed.clear()
        await self._changed.wait()

    def pause(self, slot: Slot, *, is_paused: bool) -> None:
        """Pause or resume an account, across restarts."""
        slot.is_paused = is_paused
        self._stored.pause(slot.worker.name, is_paused=is_paused)
        self.notify()

    async def recall(self, slot: Slot) -> None:
        """Restore the state of an account that was parked or paused before the restart."""
        entry, is_paused = await self._stored.entry(slot.worker.name)
        slot.is_paused = slot.is_paused or is_paused
        if entry is not None:
            self.change(slot, Transition(entry.state, entry.until), entry.reason)

    def _store(self, slot: Slot) -> None:
        """Store whether the account is parked, so that this survives a restart."""
        if slot.state in (WorkerState.STARTING, WorkerState.CLOSED):
            return
        is_parked = slot.until is not None and slot.state not in SOON_OVER
        entry = AccountState(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
        self._stored.put(slot.worker.name, entry)
