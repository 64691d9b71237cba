"""The leases of this node, renewed in time and expired by its own clock, whatever the store does.

The clock is read before the lease is renewed, and the lease counts for 0.8 of its length from that reading. So it ends
here before it can end in the store, and two nodes never use one account. `check` compares right before each side
effect; the watch calls `on_lost` when the lease ends, so that the page is closed.
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
"""Longest pause of the watch in seconds, even if nothing is due."""


MOST_GENERATING = 100
"""Conversations, the latest ones, that are passed on to an account's next owner."""


class HeldLease:
    """A lease of this node; an `Ownership`. It counts until `deadline` on the clock, unless `is_lost` is set before."""

    def __init__(self, account: str, fence: int, deadline: float, clock: Callable[[], float]) -> None:
        self.account = account
        self.fence = fence
        self.deadline = deadline
        self.is_lost = False
        self.left_generating: Sequence[str] = ()
        """The conversations in which the site may still generate for an earlier owner."""
        self.generating: Sequence[str] = ()
        """The conversations in which it may generate now."""
        self.on_generating: Callable[[], None] = lambda: None
        self._clock = clock

    def generates(self, conversations: Sequence[str]) -> None:
        """Record for the next owner the conversations in which the site may generate now."""
        self.generating = tuple(conversations[-MOST_GENERATING:])
        self.on_generating()

    @property
    def counts(self) -> bool:
        """Tell whether this node has the account now."""
        return not self.is_lost and self._clock() < self.deadline

    def check(self) -> None:
        """Raise `LeaseLost` if another node may have the account by now."""
        if not self.counts:
            raise self.lost()

    def lost(self) -> LeaseLost:
        """Return the error for actions after the lease has ended."""
        return LeaseLost(f"This node no longer has the account {self.account}.")


class HeldLeases:
    """The leases of one node: acquires, renews and releases them; calls `on_lost` once for each that is lost."""

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
        """Start to renew and to watch the leases."""
        self._tasks.keep(self._renew)
        self._tasks.keep(self._watch)

    async def close(self) -> None:
        """Release all leases, and stop."""
        for name in list(self._leases):
            with suppress(ClusterUnavailable):
                await self.release(name)
        await self._tasks.close()

    def of(self, account: str) -> HeldLease | None:
        """Return the lease on an account if it still counts."""
        lease = self._leases.get(account)
        return lease if lease is not None and lease.counts else None

    def names(self) -> list[str]:
        """Return the accounts that this node has now; safe to call from any thread."""
        return [lease.account for lease in list(self._leases.values()) if lease.counts]

    async def acquire(self, account: str) -> HeldLease | None:
        """Acquire the lease of a free account; the caller must have closed any earlier page of it."""
        asked = self._clock()
        fence = await self._store.acquire(account, self.holder)
        if fence is None:
            return None
        deadline = asked + TRUSTED * self._store.seconds
        if (held := self.of(account)) is not None and held.fence == fence:  # two callers acquired it at once
            held.deadline = max(held.deadline, deadline)
            return held
        lease = HeldLease(account, fence, deadline, self._clock)
        self._leases[account] = lease
        return lease

    async def release(self, account: str) -> None:
        """Release the lease of an account; the caller must have closed its page."""
        lease = self._leases.pop(account, None)
        if lease is not None:
            lease.is_lost = True  # first: nothing may use the account from here on, whatever the store answers
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
        elif lease.counts:  # else it ended before the answer came, and its page is being closed
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
            logger.warning("The lease on the account {} has ended; this node closes it", lease.account)
            with errors_logged("while closing an account whose lease has ended"):
                self._on_lost(lease)
