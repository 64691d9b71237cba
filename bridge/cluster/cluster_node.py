"""One node of a cluster: publishes its state, takes the accounts placed on it, and gives back the others.

It makes a step every eighth of a lease, and at once after a hint from another node. While Redis cannot be reached it
neither takes nor gives back accounts; its leases then expire by its own clock (`held_leases`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from loguru import logger

import bridge
from bridge.cluster.account_moves import AccountMoves
from bridge.cluster.cluster_clock import ClusterClock
from bridge.cluster.cluster_view import ClusterView
from bridge.cluster.held_leases import HeldLease, HeldLeases
from bridge.cluster.lease_store import MILLISECONDS
from bridge.cluster.leased_accounts import LeasedAccounts, OwnedAccounts
from bridge.cluster.node_directory import NodeDirectory, NodeInfo
from bridge.cluster.node_hints import NodeHints
from bridge.cluster.node_state import accounts_said, models_said
from bridge.cluster.placement import LONGEST_WAIT, Place, misplaced, ranking, targets, wait_of
from bridge.cluster.profile_sync import ProfileSync
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import RedisLink
from bridge.cluster.shared_accounts import SharedAccounts
from bridge.cluster.shared_conversations import SharedConversations
from bridge.cluster.shared_keys import SharedKeys
from bridge.errors import BridgeError, ClusterUnavailable, LeaseLost
from bridge.pool.pool import Pool
from bridge.settings import ClusterSettings
from bridge.storage.profiles import ProfileStore
from bridge.tasks import Tasks
from bridge.telemetry import ChatEnded, Fact, Telemetry, WorkerChanged

STEPS = 8
"""Steps that a node makes within a lease."""
REFRESH = 4
"""Steps between two checks for later logins of a node's accounts."""
AT_LEAST = 4
"""Divisor of the step time that gives the shortest pause between two steps, even after hints."""
MOVES = 2
"""Accounts that a node gives back to others in one step; a draining node gives back all."""
START_LIMIT = 15.0
"""Seconds that a starting node lets its clients wait until it knows the other nodes."""


class ClusterNode:
    """A node of the cluster, made by `joined`; `run` starts it with the pool that uses its `accounts`."""

    def __init__(
        self, settings: ClusterSettings, store: ProfileStore, link: RedisLink, keys: SharedKeys, capacity: int
    ) -> None:
        self.name = settings.own_name
        self.start = secrets.token_hex(4)
        self.address = settings.address or ""
        self.capacity = capacity if settings.max_accounts is None else settings.max_accounts
        self.view = ClusterView(settings.lease)
        self.drained: Collection[str] = ()
        """The names of the nodes that were set to drain at the last step."""
        self.is_draining = False
        self.waiting: Callable[[], int] = lambda: 0
        self.link = link
        self._keys = keys
        self._store = store
        self._seconds, self.step_time = settings.lease, settings.lease / STEPS
        self.clock = ClusterClock(settings.lease)
        self._lease_store = RedisLeases(link, settings.lease, self.clock)
        self.leases = HeldLeases(self._lease_store, f"{self.name}.{self.start}", self._lost)
        self.directory = NodeDirectory(link, int(settings.lease * MILLISECONDS), self.clock)
        self._shared = SharedAccounts(link)
        self.sync = ProfileSync(store, self._shared, self.leases, self.clock)
        self._accounts: LeasedAccounts | None = None
        self._pool: Pool | None = None
        self._moves: AccountMoves | None = None
        self._conversations: SharedConversations | None = None
        self._changed, self._wake = asyncio.Event(), asyncio.Event()
        self._hints = NodeHints(link, self.id, self.look_now)
        self._has_moved = False
        self._tasks = Tasks()
        self._said, self._is_stopping, self._steps = "", False, 0

    @property
    def id(self) -> str:
        """Return the id of this node and its start."""
        return self.leases.holder

    def accounts(self, stored: OwnedAccounts) -> LeasedAccounts:
        """Return the accounts for the pool of this node."""
        loop = asyncio.get_running_loop()

        def forget(name: str) -> None:
            asyncio.run_coroutine_threadsafe(self._running_moves().forget(name), loop).result()

        self._accounts = LeasedAccounts(stored, self.leases, lambda name: self._running_moves().claim(name), forget)
        return self._accounts

    async def run(self, pool: Pool, telemetry: Telemetry) -> None:
        """Start taking accounts for `pool`; return once the other nodes' models are known, or after `START_LIMIT`."""
        assert self._accounts is not None, "accounts() comes first"  # noqa: S101
        self._pool = pool
        shared = self._shared, self.sync, self._moved, self._changed.set
        self._moves = AccountMoves(pool, self._lease_store, self.leases, self._accounts, *shared)
        pool.queue.gives_away = lambda: self.is_draining
        pool.expect_moves(LeaseLost("This node no longer has the account."))
        self.waiting = lambda: len([lease for lease in pool.queue.chats() if lease.is_waiting])
        telemetry.add(self._on_fact)
        self.leases.start()
        self._conversations = SharedConversations(self.link, self.id, pool.conversations, self.fence_of)
        self._conversations.start()
        self._hints.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT):
                while not (await self._has_stepped() and self.view.is_known):
                    await asyncio.sleep(self.step_time)
        self._tasks.keep(self._step_for_ever)
        self._tasks.keep(self._note_for_ever)

    def drain(self) -> None:
        """Give back each account as soon as its chat has ended, and take no more; this node is about to stop."""
        self._is_stopping = self.is_draining = True
        self._moved()

    async def given_back(self) -> None:
        """Wait until all accounts are given back, at most for the length of a lease."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while self.leases.names():
                    await self._running_moves().next_end()

    async def stop(self) -> None:
        """Stop taking and giving back accounts; the caller closes them next."""
        await self._tasks.close()
        await self._hints.close()
        if self._moves is not None:
            await self._moves.close()
        if self._conversations is not None:
            await self._conversations.close()

    async def leave(self) -> None:
        """Give back all accounts, closed by now, and leave the cluster, within the length of a lease."""
        with suppress(ClusterUnavailable, TimeoutError):
            async with asyncio.timeout(self._seconds):
                if self._moves is not None:
                    await self._moves.leave_all()
                await self.directory.leave(self.info())
                await self._hints.send()
        await self.leases.close()

    def info(self) -> NodeInfo:
        """Return the state of this node."""
        return NodeInfo(
            self.name,
            self.start,
            self.address,
            self.capacity,
            bridge.__version__,
            self.is_draining,
            self.waiting(),
            accounts_said(self._pool, self.leases),
            models_said(self._pool),
            is_stopping=self._is_stopping,
            unfit=list(self._unfit()),
            clock_ahead=self.clock.ahead,
        )

    def note_drained(self, node: str, *, is_draining: bool) -> None:
        """Apply an operator's drain request before the next step reads it from Redis."""
        others = set(self.drained) - {node}
        self.drained = others | {node} if is_draining else others
        self._moved()

    def _unfit(self) -> Mapping[str, float]:
        return self._accounts.unfit if self._accounts is not None else {}

    def look_now(self) -> None:
        """Make the next step at once, because something has moved."""
        self._wake.set()

    def _moved(self) -> None:
        """Publish at once, with a hint to the other nodes, that this one has moved an account or drains."""
        self._has_moved = True
        self.look_now()

    async def step(self) -> None:
        """Publish this node's state, read that of the others, and take and give back accounts."""
        self.drained = await self.directory.draining()
        self._note_draining()
        has_moved, self._has_moved = self._has_moved, False
        nodes, now = await self.directory.announce(self.info()), time.monotonic()
        self.view.note_nodes(nodes, now)
        if has_moved:
            await self._hints.send()
        await self.sync.publish(await self._shared.names())
        self._steps += 1
        if self._steps % REFRESH == 1:
            await self.sync.refresh()
            await self._keys.sync()
        shared, places = await self._shared.names(), self.view.places(self.info())
        await self._take_free(shared, places, now)
        await self._give_back(shared, places, now)

    def _note_draining(self) -> None:
        """Update whether this node drains; the other nodes get a hint of a change."""
        before, self.is_draining = self.is_draining, self._is_stopping or self.name in self.drained
        if before is not self.is_draining:
            self._has_moved = True
            if self._pool is not None:
                self._pool.queue.assign()

    async def _take_free(self, shared: Collection[str], places: Sequence[Place], now: float) -> None:
        moves = self._running_moves()
        free = {*shared, *self.sync.bound} - self.view.held() - set(self.leases.names())
        holders = await self._lease_store.holders(free)
        # an account whose lease this node has, because Redis' reply was lost, is taken again
        leased = {name for name, held in holders.items() if held.holder != self.id}
        await self._lease_store.end_in_time(leased)
        free -= leased
        self.view.note_accounts(shared, free, now)
        wanted = await asyncio.to_thread(targets, shared, places)
        for name in sorted(free):
            here = [place for place in places if name not in self.sync.bound or place.node == self.name]
            wait = wait_of(self.name, ranking(name, wanted.get(name), here))
            if (again := self._unfit().get(name)) is not None:  # where no other node opens it either
                wait = LONGEST_WAIT if again <= now else None
            is_due = wait is not None and self.view.free_for(name, now) >= wait * self.step_time
            if is_due and await moves.take(name) is not None:
                places = self.view.places(self.info())

    async def _give_back(self, shared: Collection[str], places: Sequence[Place], now: float) -> None:
        moves = self._running_moves()
        for name, again in sorted(self._unfit().items()):
            if again > now and self.leases.of(name) is not None and moves.slot(name) is None:
                moves.give_back(name)
        own = next(place for place in places if place.node == self.name)
        settled = self.view.settled(places, self.name, now)
        wanted = await asyncio.to_thread(targets, shared, settled)
        leaving = [name for name in misplaced(own, wanted, places) if name not in self.sync.bound or own.is_draining]
        for name in leaving if own.is_draining else leaving[:MOVES]:
            moves.give_back(name)
        moves.reconcile(own.held - {*leaving})

    def _running_moves(self) -> AccountMoves:
        assert self._moves is not None, "run() comes first"  # noqa: S101
        return self._moves

    async def _has_stepped(self) -> bool:
        """Make a step; tell whether it succeeded, and log a new failure."""
        try:
            await self.step()
            self._said = ""
        except BridgeError as error:
            if error.message != self._said:
                logger.warning("This node could not take its step in the cluster: {}", error.message)
            self._said = error.message
        return not self._said

    async def _step_for_ever(self) -> None:
        while True:
            await self._has_stepped()
            await asyncio.sleep(self.step_time / AT_LEAST)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.step_time * (1 - 1 / AT_LEAST)):
                    await self._wake.wait()
            self._wake.clear()

    async def _note_for_ever(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._running_moves().note_all()
            except ClusterUnavailable:
                self._changed.set()
                await asyncio.sleep(self.step_time)

    def fence_of(self, account: str) -> int | None:
        """Return the fence under which this node holds an account; None if it does not."""
        lease = self.leases.of(account)
        return None if lease is None else lease.fence

    def _on_fact(self, fact: Fact) -> None:
        if isinstance(fact, WorkerChanged | ChatEnded):
            self._changed.set()

    def _lost(self, lease: HeldLease) -> None:
        """Close an account whose lease has ended."""
        if self._pool is not None and (worker := self._pool.worker(lease.account)) is not None:
            worker.give_up(lease.lost())
            self._pool.look_now()

    async def remove_unplaced(self, name: str) -> None:
        """Remove an account that no node has; raise `AccountConflict` if one is about to take it."""
        await self._running_moves().remove_unplaced(name)
