"""Shares which conversation holds which history through a stream in Redis: digests and ids, never texts.

Each node applies all changes to its own file. So a chat finds the node that has its conversation without asking, and an
account that moves continues its conversations. A change carries the owner's fence, and is ignored after one with a
larger fence. A change that Redis does not accept is lost for the other nodes: there, a new conversation starts.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loguru import logger

from bridge.cluster.redis_link import RedisLink
from bridge.errors import ClusterUnavailable
from bridge.storage.conversation_file import STATEMENTS, Change
from bridge.storage.conversations import Conversations
from bridge.tasks import Tasks

MOST = 100_000
"""Changes that Redis keeps for nodes that join."""
AT_A_TIME = 500
WAITING = 10_000
"""Changes that may wait for Redis; beyond them the oldest is dropped."""
PAUSE = 1.0
CLOSE_LIMIT = 5.0
"""Seconds in which a stopping node sends the waiting changes."""


class SharedConversations:
    """The exchange of changes with the other nodes; `fence_of` gives the fence of an account of this node."""

    def __init__(
        self, link: RedisLink, node: str, conversations: Conversations, fence_of: Callable[[str], int | None]
    ) -> None:
        self._link = link
        self._node = node
        self._conversations = conversations
        self._fence_of = fence_of
        self._stream = link.of_cluster("conversations")
        self._waiting: asyncio.Queue[Change] = asyncio.Queue(WAITING)
        self._fences: dict[str, int] = {}
        self._tasks = Tasks()

    def start(self) -> None:
        """Start to send and to listen."""
        loop = asyncio.get_running_loop()

        def changed(change: Change) -> None:
            loop.call_soon_threadsafe(self._note, change)

        self._conversations.subscribe(changed)
        self._tasks.keep(self._send_changes)
        self._tasks.keep(self._listen)

    async def close(self) -> None:
        """Send the waiting changes if Redis answers, then stop."""
        with suppress(ClusterUnavailable, TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT):
                while not self._waiting.empty():
                    await self._send_change(self._waiting.get_nowait())
        await self._tasks.close()

    def _note(self, change: Change) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(change)

    async def _send_changes(self) -> None:
        while True:
            change = await self._waiting.get()
            try:
                await self._send_change(change)
            except ClusterUnavailable as error:
                logger.debug("A conversation was not shared with the other nodes: {}", error.message)

    async def _send_change(self, change: Change) -> None:
        fence = self._fence_of(change.account)
        if fence is not None:
            await self._link.append(self._stream, MOST, node=self._node, change=encoded(change, fence))

    async def _listen(self) -> None:
        after = "0-0"
        while True:
            try:
                for number, entry in await self._link.entries(self._stream, after, AT_A_TIME):
                    after = number
                    if entry.get("node") != self._node.encode():
                        self._take(entry.get("change", b""))
            except ClusterUnavailable:
                await asyncio.sleep(PAUSE)

    def _take(self, data: bytes) -> None:
        found = decoded(data)
        if found is None:
            return
        change, fence = found
        if fence >= self._fences.get(change.account, 0):
            self._fences[change.account] = fence
            self._conversations.apply(change)


def encoded(change: Change, fence: int) -> bytes:
    """Return a change as JSON."""
    row = [{"bytes": base64.b64encode(one).decode()} if isinstance(one, bytes) else one for one in change.row]
    return json.dumps({"kind": change.kind, "account": change.account, "fence": fence, "row": row}).encode()


def decoded(data: bytes) -> tuple[Change, int] | None:
    """Return a change and its fence; None if it cannot be read, such as one of a later version."""
    try:
        said: dict[str, Any] = json.loads(data)
        row = tuple(base64.b64decode(one["bytes"]) if isinstance(one, dict) else one for one in said["row"])
        change, fence = Change(said["kind"], str(said["account"]), row), int(said["fence"])
        statements = STATEMENTS.get(change.kind, ("",))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    fields = max(statement.count("?") for statement in statements)
    return (change, fence) if fields and len(row) == fields else None
