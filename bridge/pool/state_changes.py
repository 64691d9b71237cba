"""Sets the states of accounts, keeps over a restart what must hold then, and tells listeners."""

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

REOPENED = "It is opened again because somebody asked for that."
USED_UP = "The account has used the budget that the settings give it."
SOLVED = "A person has solved what the site asked for."
ASKED = "It is opened because somebody asked for that."
NO_ROOM = "As many accounts are open as may be (sleep.max_open); a chat that needs this one opens it."


class AccountStates:
    """The one place where the state of an account changes; calls `on_change` after every change."""

    def __init__(self, telemetry: Telemetry, stored: StoredAccountStates, on_change: Callable[[], None]) -> None:
        self._telemetry = telemetry
        self._stored = stored
        self._on_change = on_change
        self._changed = asyncio.Event()
        self.rename, self.forget, self.close = stored.rename, stored.forget, stored.close

    def change(self, slot: Slot, what: Transition, reason: str = "") -> None:
        """Set the account's state, keep it for a restart, and tell listeners; one that fails does not undo it."""
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
        """Notify listeners that the accounts which may take chats have changed."""
        with errors_logged("while chats were given to accounts"):
            self._on_change()

    async def next_change(self) -> None:
        """Wait until the state of some account was found out."""
        self._changed.clear()
        await self._changed.wait()

    def pause(self, slot: Slot, *, is_paused: bool) -> None:
        """Pause or resume an account; this survives a restart."""
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
        """Keep over a restart that the account is to be left alone, or that it is not any more."""
        if slot.state in (WorkerState.STARTING, WorkerState.CLOSED):
            return
        is_parked = slot.until is not None and slot.state not in SOON_OVER
        entry = AccountState(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
        self._stored.put(slot.worker.name, entry)
