"""Pairs waiting chats with free accounts; every chat, and every other use of an account, has a lease here.

There is one list of leases, and no state "busy": an account is busy while a lease has it. Only `assign` pairs leases
with accounts; `borrowed` takes an idle one. `assign` is synchronous and is called after every change (a chat comes
or leaves, an account becomes ready, a pause ends), so these hold whenever it has returned:

- an account is held by at most one lease;
- no chat waits while a fitting account is idle and may send (`free_at`), unless the chat waits for the account of its
  conversation (`patient_until`), its key is at its limit of parallel chats, or the bridge is stopping;
- claims come before chats, in the order of the claims;
- accounts go to the keys in turn (`FairOrder`), and within a key to the chat that came first;
- a chat cancelled at any await needs no other cleanup: removing its lease frees its account.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from bridge.errors import BridgeError, NoAccount, PoolError, PoolFull, PoolTimeout
from bridge.pool.account import Slot, readiness
from bridge.pool.fair_order import FairOrder, one_too_many
from bridge.pool.lease import Lease
from bridge.pool.wait_estimate import WaitEstimate
from bridge.settings import PoolSettings
from bridge.tasks import Tasks

RETRY_AFTER = 5.0
"""`Retry-After` in seconds while the bridge is stopping."""
LAST_LIMIT = 5.0
"""Seconds that chats have to end, after the stop of their generation (`turn.stop`), when the bridge stops."""
INTERRUPT_EVERY = 0.2
"""Seconds between two interrupts of a chat that must end: one between two of its steps has no effect."""


class ChatQueue:
    """The leases on the accounts that `slots` returns."""

    def __init__(self, slots: Callable[[], Sequence[Slot]], settings: PoolSettings, stop_limit: float) -> None:
        self._slots = slots
        self._settings = settings
        self._last_limit = stop_limit + LAST_LIMIT
        self._leases: list[Lease] = []
        self._order = FairOrder()
        self._wait_estimate = WaitEstimate()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks()
        self.on_assigned: Callable[[], None] = lambda: None
        """Called after each `assign`, as other accounts may now have to be opened or closed."""
        self.freed = asyncio.Event()
        """Set whenever a chat has left."""
        self.is_draining = self._is_hurried = False
        self.gives_away: Callable[[], bool] = lambda: False
        """Tells whether the operator's accounts move to other nodes, so that no chat may wait for one here."""
        self._patience: asyncio.Timeout | None = None
        self._is_empty = asyncio.Event()

    async def close(self) -> None:
        """Stop assigning accounts."""
        await self._tasks.close()
        if self._timer is not None:
            self._timer.cancel()

    def busy(self) -> set[Slot | None]:
        """Return the accounts that a lease has."""
        return {lease.slot for lease in self._leases}

    def idle(self) -> list[Slot]:
        """Return the accounts that take chats and have none."""
        busy = self.busy()
        return [slot for slot in self._slots() if slot.takes_chats and slot not in busy]

    def chats(self) -> list[Lease]:
        """Return the leases of waiting and running chats, without other uses of accounts."""
        return [lease for lease in self._leases if lease.chat]

    def next_chats(self) -> list[Lease]:
        """Return the waiting chats that could get an account now, the next one first."""
        running = self._running()
        return [lease for lease in self._order.planned(self._waiting()) if not _is_held_back(lease, running)]

    def wants(self, slot: Slot) -> bool:
        """Tell whether a lease has the account, or may get it."""
        return any(slot is lease.slot or slot in lease.fitting for lease in self._leases)

    def enter(self, lease: Lease) -> int:
        """Add a chat to the queue and return how many wait; if too many wait, refuse it or another one."""
        lease.limit = min(lease.limit, self._settings.queue_limit)
        lease.deadline = time.monotonic() + lease.limit
        self._leases.append(lease)
        self.assign()
        waiting = self._waiting()
        lease.place_in_queue = self.place_of(lease.chat) or 0
        if lease.is_waiting and len(waiting) > self._settings.queue_size:
            self._refuse(one_too_many(waiting, lease), len(waiting) - 1)
        return len(waiting)

    def place_of(self, request: str) -> int | None:
        """Return the first place of the waiting chats whose ids begin with `request`; see `places`."""
        if not any(lease.chat.startswith(request) for lease in self._waiting()):
            return None
        return min(place for chat, place in self.places().items() if chat.startswith(request))

    def places(self) -> Mapping[str, int]:
        """Return the places in the queue of waiting chats by id; the next one to get an account has 1."""
        order = self._order.planned(self._waiting())
        return {lease.chat: place for place, lease in enumerate(order, 1)}

    def leave(self, lease: Lease) -> None:
        """Remove a chat from the queue, and give its account to the next one."""
        self._leases.remove(lease)
        self.assign()
        self.freed.set()

    def answered(self, lease: Lease) -> None:
        """Record how long an answered chat had its account, for the estimate of waiting times."""
        self._wait_estimate.note(time.monotonic() - lease.since)

    async def granted(self, lease: Lease) -> Slot:
        """Wait for the lease's account and return it; raise why it gets none."""
        try:
            async with asyncio.timeout(lease.deadline - time.monotonic()):
                while lease.is_waiting:
                    lease.changed.clear()
                    await lease.changed.wait()
        except TimeoutError as error:
            raise lease.failure or self._timeout(lease) from error
        if lease.error is not None:
            raise lease.failure or lease.error
        assert lease.slot is not None  # noqa: S101 - the loop's condition, for the type checker
        return lease.slot

    def cancel(self, chat: str, error: BridgeError) -> bool:
        """End a chat and its generation with `error`; tell whether there is one of that id."""
        lease = next((lease for lease in self._leases if chat and lease.chat == chat), None)
        if lease is None:
            return False
        lease.failure = None
        lease.refuse(error)
        self._tasks.start(self._interrupted(lease, error))
        self.assign()
        return True

    @asynccontextmanager
    async def borrowed(self, slot: Slot) -> AsyncGenerator[None]:
        """Occupy an idle account, as a chat does; the caller must have seen it in `idle` with no await since."""
        lease = Lease([slot], [slot], slot=slot)
        self._leases.append(lease)
        try:
            yield
        finally:
            self._leases.remove(lease)
            self.assign()

    @asynccontextmanager
    async def claimed(self, slot: Slot, ending: BridgeError | None = None) -> AsyncGenerator[None]:
        """Occupy an account in any state, once its chat has left, before any waiting chat.

        The running chat is not limited, unless `ending` is the error to end it with; the caller sets a limit.
        """
        lease = Lease([slot], [slot], is_claim=True)
        chat = next((other for other in self._leases if other.slot is slot), None)
        self._leases.append(lease)
        try:
            if chat is not None and ending is not None:
                self._tasks.start(self._interrupted(chat, ending))
            self.assign()
            while lease.slot is None:
                lease.changed.clear()
                await lease.changed.wait()
            yield
        finally:
            self._leases.remove(lease)
            self.assign()

    async def drain(self, limit: float) -> None:
        """Take no more chats, refuse the waiting ones, and give the running ones `limit` seconds to end."""
        self.is_draining = True
        self.assign()
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self._is_hurried else limit) as self._patience:
                await self._is_empty.wait()
        self._patience = None
        for lease in self._leases:
            if not lease.is_claim:
                self._tasks.start(self._interrupted(lease, PoolError("The bridge is stopping.")))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._last_limit):
                await self._is_empty.wait()

    def hurry(self) -> bool:
        """End the wait of `drain`, so that running chats are interrupted; tell whether that changes anything."""
        changes = not self._is_hurried and not self._is_empty.is_set()
        self._is_hurried = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())
        return changes

    async def _interrupted(self, lease: Lease, error: BridgeError) -> None:
        """Interrupt a running chat repeatedly until it has left."""
        while lease in self._leases and lease.slot is not None:
            lease.slot.worker.interrupt(error)
            await asyncio.sleep(INTERRUPT_EVERY)

    def assign(self) -> None:
        """Pair waiting chats with free accounts: keys in turn, and the longest rested account first."""
        self._grant_claims()  # before the chats, so that the operator's claims do not starve behind a long queue
        now = time.monotonic()
        free = self.idle()
        free.sort(key=lambda slot: slot.free_at)
        running = self._running()
        for lease in self._order.turns(self._waiting()):
            slot = None if self.is_draining or _is_held_back(lease, running) else lease.choose(free, now)
            if slot is not None:
                free.remove(slot)
                lease.grant(slot)
                self._order.granted(lease.caller)
                running[lease.caller.id] += 1
            elif (error := self._why_hopeless(lease)) is not None:
                lease.refuse(error)
        self._set_timer(now, free)
        if any(not lease.is_claim for lease in self._leases):
            self._is_empty.clear()
        else:
            self._is_empty.set()
        self.on_assigned()

    def _grant_claims(self) -> None:
        """Give accounts without a chat to their claims, in the order of the claims."""
        for lease in self._leases:
            if lease.is_claim and lease.slot is None and lease.fitting[0] not in self.busy():
                lease.grant(lease.fitting[0])

    def _waiting(self) -> list[Lease]:
        """Return the waiting chats, without claims."""
        return [lease for lease in self._leases if lease.is_waiting and not lease.is_claim]

    def _running(self) -> Counter[str]:
        """Return how many chats of each key have an account."""
        return Counter(lease.caller.id for lease in self._leases if lease.chat and lease.slot is not None)

    def _refuse(self, lease: Lease, others: int) -> None:
        """Refuse a chat because the queue is full."""
        wait = self._estimate(lease)
        lease.refuse(PoolFull(f"{others} chats are already waiting.", retry_after=wait))

    def _timeout(self, lease: Lease) -> BridgeError:
        """Return the error of a chat whose time to wait is over."""
        limit, caller = lease.limit, lease.caller
        why = readiness(lease.realm)
        if _is_held_back(lease, self._running()):
            why = f"{caller} may have {caller.parallel} chats at a time, and all of them are running"
        message = f"No account became free within {limit:g} seconds: {why}."
        return PoolTimeout(message, retry_after=self._estimate(lease))

    def _estimate(self, lease: Lease) -> float:
        """Return how many seconds a waiting chat would still have to wait."""
        order = self._order.planned(self._waiting())
        before = order[: order.index(lease)] if lease in order else order
        return self._wait_estimate.wait(lease, self._leases, before)

    def _set_timer(self, now: float, free: Sequence[Slot]) -> None:
        """Schedule `assign` for the end of the next account's pause or the next chat's patience."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting()
        times = [*(slot.free_at for slot in free), *(lease.patient_until for lease in waiting)]
        when = min((moment for moment in times if moment > now), default=None)
        if when is not None and waiting:
            self._timer = asyncio.get_running_loop().call_later(when - now, self.assign)

    def _why_hopeless(self, lease: Lease) -> BridgeError | None:
        """Return the error if waiting is pointless, else None."""
        if self.is_draining:
            return NoAccount("The bridge is stopping.", retry_after=RETRY_AFTER)
        if self.gives_away() and not any(slot.is_token_account for slot in lease.fitting):
            return NoAccount("The accounts of this node are moving to other nodes.")
        return lease.why_hopeless()


def _is_held_back(lease: Lease, running: Mapping[str, int]) -> bool:
    """Tell whether a chat waits because its key is at its limit of parallel chats."""
    most = lease.caller.parallel
    return most is not None and running.get(lease.caller.id, 0) >= most
