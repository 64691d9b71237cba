"""The leases of this node: renewed in time, and given up by its own clock, whatever the store does.

The order that keeps two nodes from one account: the clock is read, then the lease is renewed; it counts for 0.8 of its
length from that reading. So it is over here before it can be over in the store. `check` compares right before each side
effect, and the watch calls `on_lost` at the moment itself, so that what is open is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from loguru import logger

from bridge.cluster.cluster_clock import elapsed
from bridge.cluster.lease_store import LeaseStore
from bridge.errors import ClusterUnavailable, LeaseLost
from bridge.tasks import Tasks, errors_logged

TRUSTED = 0.8
"""Share of a lease's length for which its holder relies on it."""
RENEWALS = 4
"""How often a lease is renewed within its length."""
LONGEST_SLEEP = 0.25
"""Seconds between two looks of the watch, also where nothing is due."""


MOST_GENERATING = 100
"""Conversations of an account that its next owner is told of, the last ones."""


class HeldLease:
    """A lease of this node; an `Ownership`. It counts until `deadline` on the clock, unless it is `lost` before."""

    def __init__(self, account: str, fence: int, deadline: float, clock: Callable[[], float]) -> None:
        self.account = account
        self.fence = fence
        self.deadline = deadline
        self.is_lost = False
        self.left_generating: Sequence[str] = ()
        """The conversations in which the site may still generate for an earlier owner."""
        self.generating: Sequence[str] = ()
        """Those in which it may generate now."""
        self.on_generating: Callable[[], None] = lambda: None
        self._clock = clock

    def generates(self, conversations: Sequence[str]) -> None:
        """Note for the next owner in which conversations the site may generate now."""
        self.generating = tuple(conversations[-MOST_GENERATING:])
        self.on_generating()

    @property
    def counts(self) -> bool:
        """Tell whether the account is this node's now."""
        return not self.is_lost and self._clock() < self.deadline

    def check(self) -> None:
        """Raise `LeaseLost` where another node may own the account by now."""
        if not self.counts:
            raise self.lost()

    def lost(self) -> LeaseLost:
        """Return the error of whatever is done after the lease."""
        return LeaseLost(f"The account {self.account} is not this node's any more.")


class HeldLeases:
    """Takes, renews and gives back the leases of one node; calls `on_lost` once for each that is lost."""

    def __init__(
        self,
        store: LeaseStore,
        holder: str,
        on_lost: Callable[[HeldLease], None],
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.holder = holder
        self._store = store
        self._on_lost = on_lost
        self._clock = clock
        self._leases: dict[str, HeldLease] = {}
        self._tasks = Tasks()
        self._is_reachable = True

    def start(self) -> None:
        """Begin to renew and to watch."""
        self._tasks.keep(self._renew)
        self._tasks.keep(self._watch)

    async def close(self) -> None:
        """Give all leases back, and stop."""
        for name in list(self._leases):
            with suppress(ClusterUnavailable):
                await self.release(name)
        await self._tasks.close()

    def of(self, account: str) -> HeldLease | None:
        """Return the lease on an account, if it counts."""
        lease = self._leases.get(account)
        return lease if lease is not None and lease.counts else None

    def names(self) -> list[str]:
        """Return the accounts that are this node's now; any thread may ask."""
        return [lease.account for lease in list(self._leases.values()) if lease.counts]

    async def acquire(self, account: str) -> HeldLease | None:
        """Take an account, if it is free; the caller has closed whatever it had open of it."""
        asked = self._clock()
        fence = await self._store.acquire(account, self.holder)
        if fence is None:
            return None
        deadline = asked + TRUSTED * self._store.seconds
        if (held := self.of(account)) is not None and held.fence == fence:  # two have asked for it at once
            held.deadline = max(held.deadline, deadline)
            return held
        lease = HeldLease(account, fence, deadline, self._clock)
        self._leases[account] = lease
        return lease

    async def release(self, account: str) -> None:
        """Give an account back; the caller has closed what it had open of it."""
        lease = self._leases.pop(account, None)
        if lease is not None:
            lease.is_lost = True  # first: from now on nothing may be done, whatever the store answers
            await self._store.release(account, self.holder, lease.fence)

    async def renew_now(self) -> None:
        """Renew all leases once."""
        await asyncio.gather(*(self._renew_one(lease) for lease in list(self._leases.values())))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._store.seconds / RENEWALS)
            await self.renew_now()

    async def _renew_one(self, lease: HeldLease) -> None:
        asked = self._clock()
        if not lease.counts:
            return
        try:
            is_ours = await self._store.renew(lease.account, self.holder, lease.fence)
        except ClusterUnavailable as error:
            if self._is_reachable:
                logger.warning("Leases cannot be renewed: {}", error.message)
            self._is_reachable = False
            return
        self._is_reachable = True
        if not is_ours:
            self._lose(lease)
        elif lease.counts:  # else it was over before the answer came, and what was open is being closed
            lease.deadline = asked + TRUSTED * self._store.seconds

    async def _watch(self) -> None:
        while True:
            now = self._clock()
            for lease in list(self._leases.values()):
                if not lease.counts:
                    self._lose(lease)
            due = min((lease.deadline for lease in self._leases.values()), default=now + LONGEST_SLEEP)
            await asyncio.sleep(min(max(due - now, 0.001), LONGEST_SLEEP))

    def _lose(self, lease: HeldLease) -> None:
        if self._leases.get(lease.account) is lease:
            del self._leases[lease.account]
            lease.is_lost = True
            logger.warning("The lease on the account {} is over; it is closed here", lease.account)
            with errors_logged("while an account was closed whose lease is over"):
                self._on_lost(lease)
