"""Moves accounts to and from this node, in the order of steps that never lets two nodes use one account.

To take an account, acquire its lease, read what its last node stored in Redis, then open the page. To give it back,
wait for its chat to end, close the page, store its login and record in Redis, and only then release the lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from loguru import logger

from bridge.cluster.held_leases import HeldLease, HeldLeases
from bridge.cluster.lease_store import LeaseStore
from bridge.cluster.leased_accounts import LeasedAccounts
from bridge.cluster.profile_sync import ProfileSync
from bridge.cluster.shared_accounts import SharedAccounts
from bridge.errors import (
    AccountConflict,
    BridgeError,
    ClusterUnavailable,
    LeaseLost,
    SetupError,
    UnknownAccount,
)
from bridge.pool.account import Slot
from bridge.pool.account_record import AccountRecord, decoded, encoded, record_of
from bridge.pool.pool import Pool
from bridge.tasks import Tasks
from bridge.telemetry import WorkerState

UNKNOWN = (WorkerState.STARTING, WorkerState.CLOSED)
"""States in which this node knows nothing of an account that Redis does not already hold."""

CLAIM = 2.0
"""Lease lengths that `claim` waits for an account."""
LOOK_AGAIN = 0.2
"""Seconds between two attempts of `claim`."""


class AccountMoves:
    """The moves of one node's accounts into and out of `pool`; calls `on_moved` after each."""

    def __init__(
        self,
        pool: Pool,
        store: LeaseStore,
        leases: HeldLeases,
        accounts: LeasedAccounts,
        shared: SharedAccounts,
        sync: ProfileSync,
        on_moved: Callable[[], None],
        on_changed: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._store = store
        self._leases = leases
        self._accounts = accounts
        self._shared = shared
        self._sync = sync
        self._on_moved = on_moved
        self._on_changed = on_changed
        self._ended = asyncio.Event()
        self._noted: dict[str, AccountRecord] = {}
        self._leaving: set[str] = set()
        self._tasks = Tasks()

    async def close(self) -> None:
        """Start no further moves."""
        await self._tasks.close()

    def slot(self, name: str) -> Slot | None:
        """Return the account's slot in this node's pool, if it has one."""
        return next((slot for slot in self._pool.own() if slot.worker.name == name), None)

    async def take(self, name: str) -> HeldLease | None:
        """Take a free account and open it; return None if it is not free, or still open on this node."""
        if self.slot(name) is not None or (lease := await self._leases.acquire(name)) is None:
            return None
        try:
            kept = await self._shared.take(name, lease.fence)
            is_there = kept is not None and await self._sync.store(name, kept)
        except BridgeError:
            await self._leases.release(name)
            raise
        if kept is None or not is_there:
            await self._leases.release(name)
            return None
        if kept.record:
            record = decoded(kept.record)
            self._pool.known.take_over(name, record)
            lease.left_generating = lease.generating = record.generating
        lease.on_generating = self._on_changed
        self._noted.pop(name, None)
        self._accounts.closed.discard(name)
        logger.info("This node has taken the account {} (fence {})", name, lease.fence)
        self._pool.look_now()
        self._on_moved()
        return lease

    async def claim(self, name: str) -> HeldLease:
        """Acquire the lease on an account that is wanted on this node; raise `SetupError` if that fails."""
        try:
            await self._sync.publish_one(name)
            deadline = time.monotonic() + CLAIM * self._store.seconds
            while time.monotonic() < deadline:
                is_leaving = name in self._leaving
                if not is_leaving and (lease := self._leases.of(name) or await self._leases.acquire(name)) is not None:
                    self._accounts.closed.discard(name)  # this node may have had it before
                    kept = await self._shared.take(name, lease.fence)
                    if kept is not None and kept.record:
                        lease.left_generating = lease.generating = decoded(kept.record).generating
                    lease.on_generating = self._on_changed
                    return lease
                held = (await self._store.holders([name])).get(name)
                if held is not None and held.holder != self._leases.holder:
                    raise SetupError(f"The account {name} is on the node {held.holder.rpartition('.')[0]}.")
                await asyncio.sleep(LOOK_AGAIN)
        except ClusterUnavailable as error:
            raise SetupError(error.message) from error
        raise SetupError(f"The account {name} is not free yet; a node opens it as soon as it is.")

    async def forget(self, name: str) -> None:
        """Remove an account of this node from the cluster, for all nodes; raise a `BridgeError` if that fails."""
        lease = self._leases.of(name)
        try:
            is_removed = lease is not None and await self._shared.remove(name, lease.fence)
        except ClusterUnavailable as error:
            raise ClusterUnavailable(f"The account {name} was not removed: {error.message}") from error
        if not is_removed:
            raise LeaseLost(f"The account {name} has just moved to another node, and was not removed.")
        self._sync.forget(name)
        with suppress(ClusterUnavailable):  # then the lease expires
            await self._leases.release(name)

    async def remove_unplaced(self, name: str) -> None:
        """Remove an account that no node has; raise `AccountConflict` if one is about to take it."""
        if self._leases.of(name) is not None or await self._leases.acquire(name) is None:
            raise AccountConflict(f"A node is about to take the account {name}; try again in a moment.")
        self._leaving.add(name)
        self._accounts.closed.add(name)  # the pool must not open it
        try:
            await asyncio.to_thread(self._accounts.remove, name)
        finally:
            self._leaving.discard(name)

    def give_back(self, name: str) -> None:
        """Start giving an account back, unless that has started already."""
        if name not in self._leaving:
            self._leaving.add(name)
            self._tasks.start(self._give_back(name))

    def reconcile(self, held: Collection[str]) -> None:
        """Reopen the accounts that could not be given back, and give back those whose profile is no longer on disk."""
        for name in self._accounts.closed.intersection(held) - self._leaving:
            self._accounts.closed.discard(name)
            self._pool.look_now()
        for name in self._sync.gone.intersection(held):
            if self.slot(name) is None:
                self.give_back(name)

    async def _give_back(self, name: str) -> None:
        try:
            slot, last = self.slot(name), list[AccountRecord]()

            def closing() -> None:
                self._accounts.closed.add(name)
                if slot is not None and slot.state not in UNKNOWN:
                    last.append(self._record_of(slot))

            if slot is None:
                self._accounts.closed.add(name)
            else:
                with suppress(UnknownAccount):  # it has just been removed
                    await self._pool.give_away(name, closing)
            await self._leave(name, last)
            logger.info("The account {} is free for other nodes", name)
        except BridgeError as error:
            logger.warning("The account {} could not be given back: {}", name, error.message)
        finally:
            self._leaving.discard(name)
            self._ended.set()
            self._on_moved()

    async def next_end(self) -> None:
        """Wait until the next account has been given back, or could not be."""
        self._ended.clear()
        await self._ended.wait()

    async def _leave(self, name: str, last: list[AccountRecord]) -> None:
        """Store in Redis what the next node needs, then release the lease."""
        lease = self._leases.of(name)
        if lease is not None:
            await self._sync.publish_one(name)
            for record in last:
                await self._shared.note(name, lease.fence, encoded(record))
        await self._leases.release(name)

    async def note_all(self) -> None:
        """Store in Redis the records of this node's accounts that have changed."""
        for slot in self._pool.own():
            name, lease = slot.worker.name, self._leases.of(slot.worker.name)
            if lease is None or slot.state in UNKNOWN or (record := self._record_of(slot)) == self._noted.get(name):
                continue
            if await self._shared.note(name, lease.fence, encoded(record)):
                self._noted[name] = record

    def _record_of(self, slot: Slot) -> AccountRecord:
        lease = self._leases.of(slot.worker.name)
        return record_of(slot, () if lease is None else lease.generating)

    async def leave_all(self) -> None:
        """Give back all accounts; their pages are closed by now."""
        for name in self._leases.names():
            slot = self.slot(name)
            known = [] if slot is None or slot.state in UNKNOWN else [self._record_of(slot)]
            try:
                await self._leave(name, known)
            except BridgeError as error:
                logger.warning("The account {} stays taken until its lease ends: {}", name, error.message)
