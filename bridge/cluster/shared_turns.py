"""Limits how many chats of an API key run at a time on all nodes; further chats wait in the order of their arrival.

The chats of a key with such a limit are in two sorted sets in Redis: by arrival, and by the last sign of life from
their node. The first ones, as many as the limit, run. A chat whose node is silent for `GONE` seconds is dropped. While
Redis does not answer, each node enforces the limit by itself.
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
"""Seconds that a chat waits for each answer of Redis."""
LOOK_AGAIN = 0.2
"""Seconds between two checks of a waiting chat; the end of a chat on the same node triggers one at once."""
SAY = 3.0
"""Seconds between two signs of life of a running chat."""
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
"""Adds a chat to its key's queue, or renews its place; returns how many are before it."""
LEAVE = Script("redis.call('ZREM', KEYS[1], ARGV[1]) return redis.call('ZREM', KEYS[2], ARGV[1])")


class SharedTurns:
    """The keys' queues as used by the chats of one node; each holds as many waiting chats as the queue of a pool.

    A chat that leaves its queue has reached no pool, so its end is reported to `telemetry` here.
    """

    def __init__(self, link: RedisLink, node: str, settings: PoolSettings, telemetry: Telemetry) -> None:
        self._link = link
        self._telemetry = telemetry
        self._node = node
        self._settings = settings
        self._ended = asyncio.Event()
        self._tasks = Tasks()

    async def close(self) -> None:
        """Stop sending signs of life."""
        await self._tasks.close()

    @asynccontextmanager
    async def turn(self, request: ChatRequest, limit: float) -> AsyncGenerator[None]:
        """Wait for the chat's turn and hold it while the context is open; raise a `PoolError` after `limit` seconds."""
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
            raise PoolFull(f"{before - parallel} chats of {caller} are already waiting.", retry_after=RETRY_AFTER)
        while before >= parallel:
            left = deadline - time.monotonic()
            if left <= 0:
                why = f"{caller} may have {parallel} chats at a time on all nodes, and all of them are running"
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
        """Return how many chats are before this one; 0 if Redis does not answer."""
        try:
            async with asyncio.timeout(LIMIT):
                return int(await self._link.run(STAND, self._keys(caller), chat, int(GONE * 1000)))
        except (ClusterUnavailable, TimeoutError):
            return 0

    async def _leave(self, caller: Caller, chat: str) -> None:
        with suppress(ClusterUnavailable):  # then Redis drops it after `GONE` seconds
            await self._link.run(LEAVE, self._keys(caller), chat)
        self._ended.set()
        self._ended = asyncio.Event()

    def _keys(self, caller: Caller) -> list[str]:
        return [self._link.of_cluster(f"chats:{{{caller.id}}}:{part}") for part in ("came", "seen")]
