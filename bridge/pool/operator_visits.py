"""Tracks people's visits to accounts' pages, from the request until the account has its page back."""

from __future__ import annotations

from collections.abc import Callable

from bridge.chat.operator_visit import Visit
from bridge.errors import AccountConflict
from bridge.pool.account import NEEDS_PERSON, Slot
from bridge.tasks import errors_logged
from bridge.telemetry import AccountHeld, Telemetry, WorkerState

SOON_OVER = (WorkerState.STARTING, WorkerState.READY, WorkerState.ASLEEP, WorkerState.BROKEN)
"""States that another failure replaces, and that a restart of the bridge ends."""


class Visits:
    """The visits; calls `on_change` after each start and end, because chats may have to be assigned."""

    def __init__(self, telemetry: Telemetry, on_change: Callable[[], None]) -> None:
        self._telemetry = telemetry
        self._on_change = on_change

    def expect(self, slot: Slot) -> Visit:
        """Start a visit, so that the account gets no more chats; raise `AccountConflict` if there is one."""
        if slot.is_held:
            raise AccountConflict(f"A person is already in the page of {slot.worker.name}.")
        slot.visit = Visit()
        self._changed(slot)
        return slot.visit

    def let_in(self, slot: Slot, visit: Visit) -> None:
        """Give the account's page to the person, opening it if it is closed; it must have no chat."""
        visit.wants_solving, visit.stays_parked = slot.state in NEEDS_PERSON, slot.state not in SOON_OVER
        visit.granted.set()
        slot.woken.set()

    def show_out(self, slot: Slot) -> None:
        """Remove the last visit if it has ended."""
        if slot.visit is not None and not slot.is_held:
            slot.visit = None
            self._changed(slot)

    def _changed(self, slot: Slot) -> None:
        self._telemetry.emit(AccountHeld(slot.worker.name, slot.is_held))
        with errors_logged("while assigning chats to accounts"):
            self._on_change()
