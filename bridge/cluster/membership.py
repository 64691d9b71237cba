"""Joins a bridge to a cluster: its accounts, its listener for other nodes, and the pool of all nodes.

The order of the shutdown: the node announces that it drains and gives back its idle accounts; running chats end; the
pages are closed; the remaining accounts are given back; the listener and the connection to Redis close last.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.cluster.account_operations import AccountOperations
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.cluster_pool import ClusterPool
from bridge.cluster.leased_accounts import LeasedAccounts, OwnedAccounts
from bridge.cluster.node_questions import NodeQuestions, NodesToAsk
from bridge.cluster.placement import capacity_of
from bridge.cluster.profile_key_check import check_profile_key
from bridge.cluster.redis_link import connect
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.relay_server import RelayServer
from bridge.cluster.shared_keys import SharedKeys
from bridge.cluster.shared_turns import SharedTurns
from bridge.cluster.shared_usage import RedisUsage
from bridge.cluster.signing import Signing
from bridge.errors import SetupError
from bridge.pool.pool import Pool
from bridge.pool.roster import StoredAccounts
from bridge.settings import ClusterSettings, PoolSettings
from bridge.storage.api_keys import KeyStore
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry

CALLS = 4
"""Calls to Redis that fit into a lease, even if each takes as long as it may."""
SHORTEST_KEY = 16
"""Least number of characters of the nodes' common key."""


class Membership:
    """A bridge's membership of its cluster."""

    def __init__(
        self, settings: ClusterSettings, queue: PoolSettings, node: ClusterNode, stack: AsyncExitStack
    ) -> None:
        self.node = node
        self._settings, self._queue = settings, queue
        self._stack = stack
        self._parts = AsyncExitStack()
        """The parts that must close before the connection to Redis."""
        self._usage = RedisUsage(node.link)
        self._parts.push_async_callback(self._usage.close)

    def accounts(self, stored: OwnedAccounts) -> LeasedAccounts:
        """Return the accounts for the pool of this node."""
        return self.node.accounts(stored)

    async def start(self, pool: Pool, telemetry: Telemetry) -> ClusterPool:
        """Listen for other nodes, start taking accounts for `pool`, and return the pool of all nodes."""
        settings = self._settings
        signing = Signing(key_of(settings), self.node.clock.now, self.node.name)
        questions = NodeQuestions()
        paths = {"/internal/ask": questions.ask, "/internal/read": questions.read}
        operations = AccountOperations(pool, self.node)
        server = RelayServer(self.node.id, signing, pool, operations, paths)
        address = await self._stack.enter_async_context(server.listening(settings.host, settings.port))
        self.node.address = self.node.address or _reached(settings.host, address)
        telemetry.add(server.on_fact)
        client = await self._stack.enter_async_context(RelayClient(signing))
        server.fence_of, client.latest_fence = self.node.fence_of, self.node.view.fence_of
        await self.node.run(pool, telemetry)
        self._usage.start()
        turns = SharedTurns(self.node.link, self.node.id, self._queue, telemetry)
        self._parts.push_async_callback(turns.close)
        nodes = NodesToAsk(self.node, client, questions)
        nodes.start()
        self._parts.push_async_callback(nodes.close)
        everywhere = ClusterPool(pool, self.node, client, self._queue, self._usage, turns, nodes)
        everywhere.operations, everywhere.server = operations, server
        return everywhere

    async def stop(self) -> None:
        """Stop moving accounts, and send the other nodes what they do not know yet."""
        await self.node.stop()
        await self._parts.aclose()


def _reached(host: str, address: str) -> str:
    """Return the address of a listener for other nodes; one on all interfaces goes by the machine's name."""
    everywhere = host in ("0.0.0.0", "::")
    return f"http://{socket.gethostname()}:{address.rpartition(':')[2]}" if everywhere else address


def key_of(settings: ClusterSettings) -> str:
    """Return the nodes' common key; raise `SetupError` if it is too short to be a secret."""
    key = "" if settings.key is None else settings.key.get_secret_value()
    if len(key) < SHORTEST_KEY:
        raise SetupError(f"cluster.key must have at least {SHORTEST_KEY} characters where cluster.url is set.")
    return key


@asynccontextmanager
async def joined(
    settings: ClusterSettings, store: ProfileStore, keys: KeyStore, capacity: int
) -> AsyncGenerator[ClusterNode]:
    """Join the cluster of the settings, yield the node, and leave; raise `SetupError` if it cannot join."""
    assert settings.url is not None, "needs cluster.url"  # noqa: S101
    link = connect(settings.url.get_secret_value(), settings.name, settings.lease / CALLS)
    try:
        shared = SharedKeys(link, keys, settings.key.get_secret_value() if settings.key else "")
        node = ClusterNode(settings, store, link, shared, capacity)
        await check_profile_key(link, store.identity)
        try:
            yield node
        finally:
            await node.leave()
    finally:
        await link.close()


@asynccontextmanager
async def membership(
    settings: ClusterSettings, queue: PoolSettings, config: Path, store: ProfileStore, memory: float
) -> AsyncGenerator[Membership]:
    """Join the cluster; `memory` is the memory of this node's browser in MiB. Raise `SetupError` if it cannot join."""
    key_of(settings)
    async with (
        AsyncExitStack() as stack,
        joined(settings, store, KeyStore(config), capacity_of(memory)) as node,
    ):
        yield Membership(settings, queue, node, stack)


@asynccontextmanager
async def pools_of_a_node(
    settings: ClusterSettings,
    queue: PoolSettings,
    config: Path,
    store: ProfileStore,
    stored: OwnedAccounts,
    made: Callable[[StoredAccounts, Callable[[], float]], Pool],
    telemetry: Telemetry,
    memory: float,
) -> AsyncGenerator[tuple[Pool, ClusterPool]]:
    """Run the pool that `made` builds from this node's accounts; yield it and the pool of all nodes.

    This node's pool and profiles use the cluster's time.
    """
    async with membership(settings, queue, config, store, memory) as member:
        store.now = member.node.clock.now
        async with made(member.accounts(stored), member.node.clock.now) as pool:
            everywhere = await member.start(pool, telemetry)
            try:
                yield pool, everywhere
            finally:
                await member.stop()
