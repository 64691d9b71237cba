"""Two real servers behind one address: a master, and a replica that may take over without the last writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bridge.cluster.redis_link import RedisLink
from tests.support.redis_server import RedisServer, redis_server
from tests.support.relay import Relay
from tests.support.waiting import until

LAGS = 0.5
"""Seconds for which the replica gets no writes before it takes over."""


class RedisPair:
    """The servers; clients reach the first."""

    def __init__(self, server: RedisServer, replica: RedisServer, relay: Relay) -> None:
        self._server, self._replica, self._relay = server, replica, relay

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._relay.port}"

    def link(self, prefix: str) -> AbstractAsyncContextManager[RedisLink]:
        """Connect to the server that clients reach."""
        return self._server.link(prefix=prefix)

    async def follow(self) -> None:
        """Make the replica follow, and wait until it does."""
        async with self._replica.link() as link:
            await link._client.replicaof("127.0.0.1", self._server.port)

            async def follows() -> bool:
                found: dict[str, object] = await link._client.info("replication")
                return found["master_link_status"] == "up"

            await until(follows)

    async def kill(self) -> None:
        await self._server.kill()

    async def start(self) -> None:
        """Restart the server that clients reach, without its data."""
        await self._server.start()

    async def fail_over(self) -> None:
        """Cut the replica off, then let it replace the master; the old master then follows it."""
        await self.follow()
        async with self._replica.link() as link:
            await link._client.replicaof("NO", "ONE")
        await asyncio.sleep(LAGS)
        self._relay.sever()
        self._server, self._replica = self._replica, self._server
        await self._relay.mend(self._server.url)


@asynccontextmanager
async def redis_pair(folder: Path) -> AsyncGenerator[RedisPair]:
    """Run both servers."""
    async with redis_server(folder) as server, redis_server(folder) as replica:
        relay = Relay(server.url)
        await relay.mend()
        try:
            yield RedisPair(server, replica, relay)
        finally:
            relay.sever()
