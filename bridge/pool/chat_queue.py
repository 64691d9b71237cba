"""Pairs waiting chats with free accounts; every chat has a lease here, and so has any other use of an account.

There is one list of leases, and no state "busy": an account is busy while a lease has it. `assign` alone pairs leases
with accounts; `borrowed` takes one that is idle. `assign` is synchronous and is called after every change (a chat comes
or leaves, an account becomes ready, a pause ends), so whenever it has returned these hold:

- an account is held by at most one lease;
- no chat waits while an account that fits it is idle and may send (`free_at`), unless the chat waits for the account of
  its conversation (`patient_until`), its key has as many chats as it may, or the bridge is stopping;
- claims come before chats, in the order of the claims;
- accounts go to the keys in turn (`FairOrder`), and within a key to the chat that came first;
- a chat that is cancelled at any await has nothing to give back: removing its lease frees its account.
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
"""Seconds that clients are asked to wait for a bridge that is restarted."""
LAST_LIMIT = 5.0
"""Seconds that chats get to end after the stop of their generation (`turn.stop`), when the bridge stops."""
INTERRUPT_EVERY = 0.2
"""Seconds between two interrupts of a chat that has to end: one that comes between two of its steps has no effect."""


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
        """Called after each `assign`: other accounts may have to be opened now, or may be closed."""
        self.freed = asyncio.Event()
        """Set whenever a chat has left."""
        self.is_draining = self._is_hurried = False
        self.gives_away: Callable[[], bool] = lambda: False
        """Tells whether the operator's accounts go to other nodes, so that no chat may wait for one here."""
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
        """Return the leases of chats, waiting and running ones; not those of other uses of an account."""
        return [lease for lease in self._leases if lease.chat]

    def next_chats(self) -> list[Lease]:
        """Return the waiting chats to which an account could be given now, the next one first."""
        running = self._running()
        return [lease for lease in self._order.planned(self._waiting()) if not _is_held_back(lease, running)]

    def wants(self, slot: Slot) -> bool:
        """Tell whether a chat has the account, or may get it."""
        return any(slot is lease.slot or slot in lease.fitting for lease in self._leases)

    def enter(self, lease: Lease) -> int:
        """Add a chat to the queue; where too many wait, refuse it or another one. Return how many wait."""
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
        """Return the place of the first chat that waits among those whose ids begin like that; see `places`."""
        if not any(lease.chat.startswith(request) for lease in self._waiting()):
            return None
        return min(place for chat, place in self.places().items() if chat.startswith(request))

    def places(self) -> Mapping[str, int]:
        """Return the place in the queue of each chat that waits, by its id; the next one to get an account has 1."""
        order = self._order.planned(self._waiting())
        return {lease.chat: place for place, lease in enumerate(order, 1)}

    def leave(self, lease: Lease) -> None:
        """Remove a chat from the queue, and give its account to the next one."""
        self._leases.remove(lease)
        self.assign()
        self.freed.set()

    def answered(self, lease: Lease) -> None:
        """Record how long an answered chat had its account, for the estimate of waits."""
        self._wait_estimate.note(time.monotonic() - lease.since)

    async def granted(self, lease: Lease) -> Slot:
        """Wait for the lease's account and return it; raise why there will be none."""
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
        """End the chat of that id with `error`, and what the site generates for it; tell whether there is one."""
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
        """Occupy an idle account, as a chat does; the caller has just seen it in `idle`, with no await since."""
        lease = Lease([slot], [slot], slot=slot)
        self._leases.append(lease)
        try:
            yield
        finally:
            self._leases.remove(lease)
            self.assign()

    @asynccontextmanager
    async def claimed(self, slot: Slot, ending: BridgeError | None = None) -> AsyncGenerator[None]:
        """Occupy an account, in whatever state it is, as soon as its chat has left, and before any waiting chat.

        The running chat takes its time, unless it is ended with the error `ending`; the caller sets a limit.
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
        """Take no more chats, send the waiting ones away, and give the running ones `limit` seconds to end."""
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
        """Give the running chats no more time to end at `drain`, only to say so; tell whether that changes anything."""
        changes = not self._is_hurried and not self._is_empty.is_set()
        self._is_hurried = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())
        return changes

    async def _interrupted(self, lease: Lease, error: BridgeError) -> None:
        """Interrupt a running chat until it has left."""
        while lease in self._leases and lease.slot is not None:
            lease.slot.worker.interrupt(error)
            await asyncio.sleep(INTERRUPT_EVERY)

    def assign(self) -> None:
        """Pair waiting chats with free accounts: the keys in turn, and the longest rested account first."""
        self._grant_claims()  # before the chats: what an operator wants must not starve behind a long queue
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
        """Give accounts without a chat to those who have claimed them, in the order of the claims."""
        for lease in self._leases:
            if lease.is_claim and lease.slot is None and lease.fitting[0] not in self.busy():
                lease.grant(lease.fitting[0])

    def _waiting(self) -> list[Lease]:
        """Return the chats that wait; an account that is claimed is free again only when its claim is over."""
        return [lease for lease in self._leases if lease.is_waiting and not lease.is_claim]

    def _running(self) -> Counter[str]:
        """Return how many chats of each key have an account."""
        return Counter(lease.caller.id for lease in self._leases if lease.chat and lease.slot is not None)

    def _refuse(self, lease: Lease, others: int) -> None:
        """Send a chat away from the full queue."""
        wait = self._estimate(lease)
        lease.refuse(PoolFull(f"{others} chats are waiting already.", retry_after=wait))

    def _timeout(self, lease: Lease) -> BridgeError:
        """Return why a chat has waited in vain."""
        limit, caller = lease.limit, lease.caller
        why = readiness(lease.realm)
        if _is_held_back(lease, self._running()):
            why = f"{caller} may have {caller.parallel} chats at a time, and has them"
        message = f"No account became free within {limit:g} seconds: {why}."
        return PoolTimeout(message, retry_after=self._estimate(lease))

    def _estimate(self, lease: Lease) -> float:
        """Return how many seconds a waiting chat would have to wait from now on."""
        order = self._order.planned(self._waiting())
        before = order[: order.index(lease)] if lease in order else order
        return self._wait_estimate.wait(lease, self._leases, before)

    def _set_timer(self, now: float, free: Sequence[Slot]) -> None:
        """Call `assign` again when the next account's pause, or the next chat's patience, is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self._waiting()
        times = [*(slot.free_at for slot in free), *(lease.patient_until for lease in waiting)]
        when = min((moment for moment in times if moment > now), default=None)
        if when is not None and waiting:
            self._timer = asyncio.get_running_loop().call_later(when - now, self.assign)

    def _why_hopeless(self, lease: Lease) -> BridgeError | None:
        """Return why waiting is pointless, if it is."""
        if self.is_draining:
            return NoAccount("The bridge is stopping.", retry_after=RETRY_AFTER)
        if self.gives_away() and not any(slot.is_token_account for slot in lease.fitting):
            return NoAccount("The accounts of this node go to other nodes.")
        return lease.why_hopeless()


def _is_held_back(lease: Lease, running: Mapping[str, int]) -> bool:
    """Tell whether a chat waits because its key has as many chats as it may."""
    most = lease.caller.parallel
    return most is not None and running.get(lease.caller.id, 0) >= most
