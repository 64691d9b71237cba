"""This node's chats that other nodes answer. The pool there reports them; this node counts their clients' usage.

So this node reports the end of such a chat only to the sinks that enforce key limits and keep texts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bridge.chat.types import ChatEvent, ChatRequest
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import RelayClient
from bridge.pool.chat_progress import Progress
from bridge.telemetry import Telemetry, Timeline


class RelayedChats:
    """A relay of chats that reports them to `telemetry`; `places` are their places in the queues of the other nodes."""

    def __init__(self, client: RelayClient) -> None:
        self._client = client
        self.telemetry = Telemetry()
        self.places: dict[str, int | None] = {}

    async def chat(self, node: NodeInfo, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat on that node; see `ChatBackend.chat`."""
        timeline = Timeline(request.id, request.model.id)
        progress = Progress(request, timeline, self.telemetry)
        try:
            with progress.reported():
                chat = self._client.chat(node, request, lambda place: self.places.update({request.id: place}), timeline)
                async with aclosing(chat) as events:
                    async for event in events:
                        progress.add(event)
                        yield event
        finally:
            self.places.pop(request.id, None)
