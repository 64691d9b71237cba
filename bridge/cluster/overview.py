"""What an operator sees and does of a cluster as a whole, from any machine that reaches its Redis."""

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
"""Seconds that Redis has for an answer."""


@dataclass(frozen=True, slots=True)
class AccountLease:
    """An account, the node that has it, if one has, and the fence of that."""

    account: str
    node: str
    fence: int


class Overview:
    """Looks at a cluster, and drains its nodes."""

    def __init__(self, directory: NodeDirectory, leases: RedisLeases, accounts: SharedAccounts) -> None:
        self._directory = directory
        self._leases = leases
        self._accounts = accounts

    async def nodes(self) -> Sequence[NodeInfo]:
        """Return the nodes, in the order of their names."""
        return sorted(await self._directory.nodes(), key=lambda info: info.id)

    async def leases(self) -> Sequence[AccountLease]:
        """Return who has which account, in the order of the accounts' names."""
        names = sorted(await self._accounts.names())
        held = await self._leases.holders(names)
        return [
            AccountLease(name, held[name].holder.rpartition(".")[0], held[name].fence)
            if name in held
            else AccountLease(name, "", 0)
            for name in names
        ]

    async def drain(self, node: str, *, is_draining: bool) -> None:
        """Have a node give back all its accounts and take none, or let it take some again; see `NodeDirectory`."""
        await self._directory.drain(node, is_draining=is_draining)


@asynccontextmanager
async def overview(settings: ClusterSettings) -> AsyncGenerator[Overview]:
    """Connect to the Redis of the settings; raises `SetupError` where they name none."""
    if settings.url is None:
        raise SetupError("There is no cluster: the setting cluster.url is empty.")
    link = connect(settings.url.get_secret_value(), settings.name, LIMIT)
    try:
        directory = NodeDirectory(link, int(settings.lease * MILLISECONDS))
        yield Overview(directory, RedisLeases(link, settings.lease), SharedAccounts(link))
    finally:
        await link.close()
