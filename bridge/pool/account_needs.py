"""Finds which sleeping accounts should be opened now, and which others may be closed for each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bridge.pool.account import Slot
from bridge.pool.account_uses import AccountUses
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.lease import Lease
from bridge.telemetry import WorkerState

SOON = 10.0
"""Longest pause in seconds that a chat waits for instead of opening another account."""
NEEDED = "A chat needs it."
SPARE = "All open accounts are busy."
REFRESH = "Its login is kept fresh."


class Need(NamedTuple):
    """A sleeping account to be opened, with the reason, and the accounts that may be closed for it, the best first."""

    slot: Slot
    reason: str
    give_way: Sequence[Slot] = ()


class AccountNeeds:
    """The needs of the queue for sleeping accounts."""

    def __init__(self, queue: ChatQueue, uses: AccountUses) -> None:
        self._queue = queue
        self._uses = uses

    def for_chats(self) -> Iterator[Need]:
        """Yield the needs of waiting chats in their order; each is computed after the one before was handled."""
        now, taken = time.monotonic(), set[Slot]()
        for lease in self._queue.next_chats():
            if lease.home is not None and (lease.is_named or lease.is_patient(now)):
                need: Need | None = self._of_conversation(lease.home)
            else:
                need = self._of_any(lease, now, taken)
            if need is not None and need.slot not in taken:
                taken.add(need.slot)
                if need.slot.can_wake:
                    yield need

    def spares(self) -> Iterator[Need]:
        """Yield an account of each site whose open accounts are all busy, as another chat is likely."""
        now = time.monotonic()
        for url in dict.fromkeys(slot.worker.url for slot in self._uses.running()):
            of_site = [slot for slot in self._uses.of if slot.worker.url == url]
            if not any(self._comes_soon(slot, now) for slot in of_site) and (slot := _best(of_site)) is not None:
                yield Need(slot, SPARE)

    def _of_conversation(self, home: Slot) -> Need:
        """Return the need of a chat in a known conversation, which no other account can continue."""
        return Need(home, NEEDED, [*self._uses.idle(), *self._uses.running()])

    def _of_any(self, lease: Lease, now: float, taken: set[Slot]) -> Need | None:
        """Return the account for a chat: one that will be free soon, or else a sleeping one."""
        fitting = [slot for slot in lease.fitting if slot not in taken]
        if (soon := next((slot for slot in fitting if self._comes_soon(slot, now)), None)) is not None:
            return Need(soon, NEEDED)
        slot = _best(slot for slot in fitting if slot.free_at <= now + SOON)
        useless = [one for one in self._uses.idle() if one not in lease.fitting or one.free_at > now + SOON]
        return None if slot is None else Need(slot, NEEDED, useless)

    def _comes_soon(self, slot: Slot, now: float) -> bool:
        """Tell whether the account will take a chat soon without further action."""
        if slot.state is WorkerState.STARTING:
            return not slot.is_paused and not slot.is_held
        return slot.takes_chats and slot not in self._queue.busy() and slot.free_at <= now + SOON


def _best(slots: Iterable[Slot]) -> Slot | None:
    """Return the sleeping account that has rested longest."""
    return min((slot for slot in slots if slot.can_wake), key=lambda slot: slot.free_at, default=None)
