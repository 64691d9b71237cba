"""Runs the pool of this process, alone or in a cluster."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from bridge.pool.pool import Pool
from bridge.pool.roster import StoredAccounts
from bridge.settings import MEBIBYTE, Settings
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry
from bridge.worker.stored_accounts import ProfileAccounts

if TYPE_CHECKING:
    from bridge.cluster.cluster_pool import ClusterPool

    Everywhere: TypeAlias = Pool | ClusterPool
else:
    Everywhere = Pool

MEMORY_SHARE = 0.75
"""Share of the machine's memory that the browser may take by default (`sleep.max_memory`)."""


@asynccontextmanager
async def running_pools(
    settings: Settings,
    store: ProfileStore,
    stored: ProfileAccounts,
    made: Callable[[StoredAccounts, Callable[[], float]], Pool],
    telemetry: Telemetry,
    memory: int,
) -> AsyncGenerator[tuple[Pool, Everywhere]]:
    """Run the pool that `made` builds from the accounts; yield it and the clients' pool: the same or all nodes'.

    `made` also gets the clock, in Unix seconds: this machine's, or the cluster's. `memory` is the machine's, in bytes.
    """
    if settings.cluster.url is None:
        async with made(stored, time.time) as pool:
            yield pool, pool
        return
    from bridge.cluster.membership import pools_of_a_node  # imported only in a cluster

    mebibytes = memory * MEMORY_SHARE / MEBIBYTE
    async with pools_of_a_node(
        settings.cluster, settings.pool, settings.config, store, stored, made, telemetry, mebibytes
    ) as pools:
        yield pools
