"""Hints from node to node that accounts have moved: each node then looks at once, and not only at its next step.

They are the entries of a short stream in Redis, which works alike behind Sentinel and in a Redis Cluster. One that is
lost costs the wait for a step: what is true stands in the leases and in the directory of nodes.
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
"""Seconds before Redis is asked again where it could not be reached."""


class NodeHints:
    """Tells of moves, and calls `on_hint` at those of others."""

    def __init__(self, link: RedisLink, node: str, on_hint: Callable[[], None]) -> None:
        self._link = link
        self._node = node
        self._on_hint = on_hint
        self._stream = link.of_cluster("hints")
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin to listen."""
        self._tasks.keep(self._listen)

    async def close(self) -> None:
        """Stop listening."""
        await self._tasks.close()

    async def tell(self) -> None:
        """Tell the other nodes that something has moved."""
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
