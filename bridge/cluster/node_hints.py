"""Hints between nodes that accounts have moved, so that each node makes its next step at once.

They are entries of a short stream in Redis, which works the same behind Sentinel and in a Redis Cluster. A lost hint
only delays a node until its next step: the leases and the directory of nodes hold the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from bridge.cluster.redis_link import RedisLink
from bridge.errors import ClusterUnavailable
from bridge.tasks import Tasks

KEPT = 16
"""Hints that Redis keeps."""
PAUSE = 1.0
"""Seconds before the next read after Redis could not be reached."""


class NodeHints:
    """A sender of hints that also listens: it calls `on_hint` for each hint of another node."""

    def __init__(self, link: RedisLink, node: str, on_hint: Callable[[], None]) -> None:
        self._link = link
        self._node = node
        self._on_hint = on_hint
        self._stream = link.of_cluster("hints")
        self._tasks = Tasks()

    def start(self) -> None:
        """Start listening."""
        self._tasks.keep(self._listen)

    async def close(self) -> None:
        """Stop listening."""
        await self._tasks.close()

    async def send(self) -> None:
        """Send a hint to the other nodes."""
        with suppress(ClusterUnavailable):
            await self._link.append(self._stream, KEPT, node=self._node)

    async def _listen(self) -> None:
        after = "0-0"
        while True:
            try:
                found = await self._link.entries(self._stream, after, KEPT)
            except ClusterUnavailable:
                await asyncio.sleep(PAUSE)
                continue
            if found:
                after = found[-1][0]
            if any(entry.get("node") != self._node.encode() for _, entry in found):
                self._on_hint()
