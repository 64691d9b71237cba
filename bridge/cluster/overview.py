"""An operator's view and control of a whole cluster, from any machine that reaches its Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.cluster.lease_store import MILLISECONDS
from bridge.cluster.node_directory import NodeDirectory, NodeInfo
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import connect
from bridge.cluster.shared_accounts import SharedAccounts
from bridge.errors import SetupError
from bridge.settings import ClusterSettings

LIMIT = 5.0
"""Seconds that Redis has to answer."""


@dataclass(frozen=True, slots=True)
class AccountLease:
    """An account with its node and fence; the node is empty if none has the account."""

    account: str
    node: str
    fence: int


class Overview:
    """The nodes and leases of a cluster as Redis has them."""

    def __init__(self, directory: NodeDirectory, leases: RedisLeases, accounts: SharedAccounts) -> None:
        self._directory = directory
        self._leases = leases
        self._accounts = accounts

    async def nodes(self) -> Sequence[NodeInfo]:
        """Return the nodes, sorted by name."""
        return sorted(await self._directory.nodes(), key=lambda info: info.id)

    async def leases(self) -> Sequence[AccountLease]:
        """Return the leases of all accounts, sorted by account."""
        names = sorted(await self._accounts.names())
        held = await self._leases.holders(names)
        return [
            AccountLease(name, held[name].holder.rpartition(".")[0], held[name].fence)
            if name in held
            else AccountLease(name, "", 0)
            for name in names
        ]

    async def drain(self, node: str, *, is_draining: bool) -> None:
        """Set a node to give back all its accounts, or to take accounts again; see `NodeDirectory`."""
        await self._directory.drain(node, is_draining=is_draining)


@asynccontextmanager
async def overview(settings: ClusterSettings) -> AsyncGenerator[Overview]:
    """Connect to the Redis of the settings; raise `SetupError` if they name none."""
    if settings.url is None:
        raise SetupError("There is no cluster: the setting cluster.url is empty.")
    link = connect(settings.url.get_secret_value(), settings.name, LIMIT)
    try:
        directory = NodeDirectory(link, int(settings.lease * MILLISECONDS))
        yield Overview(directory, RedisLeases(link, settings.lease), SharedAccounts(link))
    finally:
        await link.close()
