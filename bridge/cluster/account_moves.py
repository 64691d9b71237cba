"""Brings accounts to this node and gives them back, each step in the order that keeps two nodes from one account.

To take one: the lease, then what the node before has left, then the page. To give one back: its chat ends, its page is
closed, its login and what is known of it are left in Redis, and only then the lease is released.
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
"""States in which nothing is known of an account that is not known to other nodes already."""

CLAIM = 2.0
"""Leases for which somebody waits who wants an account here that is new."""
LOOK_AGAIN = 0.2


class AccountMoves:
    """The moves of one node's accounts, in the pool that is given once it runs; calls `on_moved` after each."""

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
        """Begin no further move."""
        await self._tasks.close()

    def slot(self, name: str) -> Slot | None:
        """Return the account as this node's pool has it."""
        return next((slot for slot in self._pool.own() if slot.worker.name == name), None)

    async def take(self, name: str) -> HeldLease | None:
        """Take a free account and open it; None where it is not free, or this node has it open still."""
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
        logger.info("The account {} is this node's now (fence {})", name, lease.fence)
        self._pool.look_now()
        self._on_moved()
        return lease

    async def claim(self, name: str) -> HeldLease:
        """Get the lease on an account that somebody wants to have here; raises `SetupError` where that cannot be."""
        try:
            await self._sync.publish_one(name)
            deadline = time.monotonic() + CLAIM * self._store.seconds
            while time.monotonic() < deadline:
                is_leaving = name in self._leaving
                if not is_leaving and (lease := self._leases.of(name) or await self._leases.acquire(name)) is not None:
                    self._accounts.closed.discard(name)  # it may have been here before
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
        raise SetupError(f"The account {name} is not free yet; it is opened as soon as it is.")

    async def forget(self, name: str) -> None:
        """Have no node open an account of this one again; raise a `BridgeError` where that cannot be."""
        lease = self._leases.of(name)
        try:
            is_removed = lease is not None and await self._shared.remove(name, lease.fence)
        except ClusterUnavailable as error:
            raise ClusterUnavailable(f"The account {name} is not removed: {error.message}") from error
        if not is_removed:
            raise LeaseLost(f"The account {name} has moved to another node just now, and is not removed.")
        self._sync.forget(name)
        with suppress(ClusterUnavailable):  # then the lease ends by itself
            await self._leases.release(name)

    async def remove_unplaced(self, name: str) -> None:
        """Remove an account that no node has; raise `AccountConflict` where one is about to have it."""
        if self._leases.of(name) is not None or await self._leases.acquire(name) is None:
            raise AccountConflict(f"The account {name} is about to come to a node; try again in a moment.")
        self._leaving.add(name)
        self._accounts.closed.add(name)  # it is not to be opened
        try:
            await asyncio.to_thread(self._accounts.remove, name)
        finally:
            self._leaving.discard(name)

    def give_back(self, name: str) -> None:
        """Begin to give an account back, if that has not begun."""
        if name not in self._leaving:
            self._leaving.add(name)
            self._tasks.start(self._give_back(name))

    def mend(self, held: Collection[str]) -> None:
        """Open the accounts again that could not be given back; give back those whose login is not on the disk."""
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
                with suppress(UnknownAccount):  # it was removed just now
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
        """Return when the next account was given back, or could not be."""
        self._ended.clear()
        await self._ended.wait()

    async def _leave(self, name: str, last: list[AccountRecord]) -> None:
        """Leave in Redis what the next node needs, then the account itself."""
        lease = self._leases.of(name)
        if lease is not None:
            await self._sync.publish_one(name)
            for record in last:
                await self._shared.note(name, lease.fence, encoded(record))
        await self._leases.release(name)

    async def note_all(self) -> None:
        """Leave in Redis what has changed of this node's accounts."""
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
        """Leave all accounts, whose pages are closed."""
        for name in self._leases.names():
            slot = self.slot(name)
            known = [] if slot is None or slot.state in UNKNOWN else [self._record_of(slot)]
            try:
                await self._leave(name, known)
            except BridgeError as error:
                logger.warning("The account {} is free when its lease ends: {}", name, error.message)
