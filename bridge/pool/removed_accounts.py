"""Remembers removed accounts with their last state."""

from __future__ import annotations

from bridge.pool.account import Slot

MOST_REMOVED = 100
"""Most removed accounts that are remembered."""


class RemovedAccounts:
    """The removed accounts; one that comes back under its name continues at the same pace."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}

    def note(self, slot: Slot) -> None:
        """Remember a closed account, unless it belongs to a client's token."""
        if not slot.is_token_account:
            self._slots[slot.worker.name] = slot
        if len(self._slots) > MOST_REMOVED:
            del self._slots[next(iter(self._slots))]

    def back(self, slot: Slot) -> Slot:
        """Return a new account with the state and the pace of the removed one of that name."""
        if not slot.is_token_account and (before := self.forget(slot.worker.name)) is not None:
            slot.free_at, slot.caution, slot.is_paused = before.free_at, before.caution, before.is_paused
            slot.last_error = before.last_error
        return slot

    def forget(self, name: str) -> Slot | None:
        """Forget the account of that name."""
        return self._slots.pop(name, None)
