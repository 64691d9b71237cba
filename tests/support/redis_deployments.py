"""Redis with high availability, in real processes: behind Sentinel, and as a Redis Cluster."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bridge.cluster.redis_link import RedisLink
from tests.support.browsers import free_port
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import until

DOWN_AFTER = 1000
"""Milliseconds after which Sentinel considers a silent server dead."""
MASTERS = 3


async def _info(link: RedisLink, section: str) -> dict[str, object]:
    found: dict[str, object] = await link._client.info(section)
    return found


@asynccontextmanager
async def behind_sentinel(folder: Path) -> AsyncGenerator[tuple[str, RedisServer]]:
    """Run a master, a replica and a Sentinel; yield the address and the master."""
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(redis_server(folder))
        replica = await stack.enter_async_context(redis_server(folder, "--replicaof", "127.0.0.1", str(master.port)))
        async with replica.link() as link:

            async def follows() -> bool:
                return (await _info(link, "replication"))["master_link_status"] == "up"

            await until(follows)
        file = folder / "sentinel.conf"
        lines = (
            f"sentinel monitor main 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds main {DOWN_AFTER}",
            f"sentinel failover-timeout main {5 * DOWN_AFTER}",
        )
        await asyncio.to_thread(file.write_text, "".join(f"{line}\n" for line in lines))
        sentinel = await stack.enter_async_context(redis_server(folder, "--sentinel", config=file))
        async with sentinel.link() as link:

            async def knows_the_replica() -> bool:
                (state,) = (await link._client.sentinel_masters()).values()
                return int(state["num-slaves"]) == 1

            await until(knows_the_replica)
        yield f"redis+sentinel://127.0.0.1:{sentinel.port}/main", master


@asynccontextmanager
async def redis_cluster(folder: Path) -> AsyncGenerator[tuple[str, Sequence[RedisServer]]]:
    """Run a Redis Cluster of masters without replicas; yield the address and the servers."""
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(MASTERS):
            place = folder / f"master{number}"
            await asyncio.to_thread(place.mkdir)
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            servers.append(await stack.enter_async_context(redis_server(place, *options)))
        addresses = [f"127.0.0.1:{server.port}" for server in servers]
        client = shutil.which("redis-cli") or shutil.which("valkey-cli") or "redis-cli"
        made = await asyncio.create_subprocess_exec(
            *(client, "--cluster", "create", *addresses, "--cluster-yes"), stdout=asyncio.subprocess.DEVNULL
        )
        assert await made.wait() == 0
        for server in servers:
            async with server.link() as link:

                async def is_whole(link: RedisLink = link) -> bool:
                    state: str = (await link._client.cluster("info"))["cluster_state"]
                    return state == "ok"

                await until(is_whole)
        yield f"redis+cluster://{','.join(addresses[:2])}", servers
