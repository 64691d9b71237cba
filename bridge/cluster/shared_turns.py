"""How many chats of an API key run at a time on all nodes together: further ones wait, in the order of their arrival.

The chats of a key that has such a limit stand in Redis in two sorted sets, by when they came and by when their node
said last that they are still there. The first ones, as many as the key may have, run. A chat whose node is silent for
`GONE` seconds is dropped. Where Redis cannot be asked, each node holds the key to its limit by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from bridge.chat.caller import Caller
from bridge.chat.types import ChatRequest
from bridge.cluster.redis_link import RedisLink, Script
from bridge.errors import ClusterUnavailable, PoolFull, PoolTimeout
from bridge.pool.chat_progress import Progress
from bridge.settings import PoolSettings
from bridge.tasks import Tasks
from bridge.telemetry import Telemetry, Timeline

LIMIT = 0.5
"""Seconds that a chat waits for Redis at a time."""
LOOK_AGAIN = 0.2
"""Seconds between two looks of a chat that waits; one of the same node that ends has it look at once."""
SAY = 3.0
"""Seconds between two signs of life of a chat that runs."""
GONE = 12.0
RETRY_AFTER = 5.0

STAND = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
end
redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('ZRANK', KEYS[1], ARGV[1])
"""
)
"""Has a chat stand in its key's line, or go on to; gives how many stand before it."""
LEAVE = Script("redis.call('ZREM', KEYS[1], ARGV[1]) return redis.call('ZREM', KEYS[2], ARGV[1])")


class SharedTurns:
    """The lines of the keys, as the chats of one node stand in them; in each as many wait as in the queue of a pool.

    A chat that leaves its line has come to no pool, so `telemetry` is told here how it has ended.
    """

    def __init__(self, link: RedisLink, node: str, settings: PoolSettings, telemetry: Telemetry) -> None:
        self._link = link
        self._telemetry = telemetry
        self._node = node
        self._settings = settings
        self._ended = asyncio.Event()
        self._tasks = Tasks()

    async def close(self) -> None:
        """Say nothing more of any chat."""
        await self._tasks.close()

    @asynccontextmanager
    async def turn(self, request: ChatRequest, limit: float) -> AsyncGenerator[None]:
        """Be one of the chats that may run; raise a `PoolError` where that does not come within `limit` seconds."""
        caller = request.caller
        if caller.parallel is None or not caller.id:
            yield
            return
        chat = f"{self._node}/{request.id}"
        staying: asyncio.Task[None] | None = None
        try:
            try:
                await self._wait(caller, caller.parallel, chat, time.monotonic() + limit)
            except BaseException:
                with Progress(request, Timeline(request.id, request.model.id), self._telemetry).reported():
                    raise
            staying = self._tasks.start(self._stay(caller, chat))
            yield
        finally:
            if staying is not None:
                staying.cancel()
            self._tasks.start(self._leave(caller, chat))

    async def _wait(self, caller: Caller, parallel: int, chat: str, deadline: float) -> None:
        before = await self._place(caller, chat)
        if before - parallel >= self._settings.queue_size:
            raise PoolFull(f"{before - parallel} chats of {caller} are waiting already.", retry_after=RETRY_AFTER)
        while before >= parallel:
            left = deadline - time.monotonic()
            if left <= 0:
                why = f"{caller} may have {parallel} chats at a time on all nodes, and has them"
                raise PoolTimeout(f"The chat could not begin in time: {why}.", retry_after=RETRY_AFTER)
            ended = self._ended
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_AGAIN, left)):
                    await ended.wait()
            before = await self._place(caller, chat)

    async def _stay(self, caller: Caller, chat: str) -> None:
        while True:
            await asyncio.sleep(SAY)
            await self._place(caller, chat)

    async def _place(self, caller: Caller, chat: str) -> int:
        """Return how many chats stand before this one; 0 where Redis does not tell."""
        try:
            async with asyncio.timeout(LIMIT):
                return int(await self._link.run(STAND, self._keys(caller), chat, int(GONE * 1000)))
        except (ClusterUnavailable, TimeoutError):
            return 0

    async def _leave(self, caller: Caller, chat: str) -> None:
        with suppress(ClusterUnavailable):  # then it is dropped after a time
            await self._link.run(LEAVE, self._keys(caller), chat)
        self._ended.set()
        self._ended = asyncio.Event()

    def _keys(self, caller: Caller) -> list[str]:
        return [self._link.of_cluster(f"chats:{{{caller.id}}}:{part}") for part in ("came", "seen")]
