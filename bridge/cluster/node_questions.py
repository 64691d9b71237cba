"""Questions between nodes about the data that each of them keeps; implements `other_nodes.OtherNodes`.

`POST /internal/ask` answers with JSON, `POST /internal/read` with bytes. Redis keeps the names of all nodes of the last
30 days, so that the id of an absent node can be told from an unknown id.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bridge.chat.made_ids import mark_of
from bridge.chat.other_nodes import Answer, OtherNode, Read
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.redis_link import Script
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.signed_calls import read_call
from bridge.cluster_settings import mark_for
from bridge.errors import ClusterUnavailable, NodeLost
from bridge.tasks import Tasks

REMEMBERED = 30 * 86_400
"""Seconds for which the name of an absent node is kept."""
SAY = 3600.0
"""Seconds between two times at which a node stores its name."""
KNOWN_FOR = 5.0
"""Seconds for which the names are cached."""
GLANCE = 4.0
"""Seconds that a node has to answer before an operator or a client gets the other nodes' answers without it."""

REMEMBER = Script(
    """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]))
if ARGV[2] then redis.call('ZADD', KEYS[1], now, ARGV[2]) end
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""
)
"""Stores a name if one is given, and returns all names."""


class NodeQuestions:
    """The handlers of other nodes' questions; a question before the endpoint runs is refused."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.reads: dict[str, Read] = {}

    async def ask(self, _: web.Request, body: bytes) -> web.StreamResponse:
        """Answer with JSON."""
        said = await asyncio.to_thread(read_call, body)
        answer = self.answers.get(subject := str(said.pop("subject", "")))
        if answer is None:
            raise _unknown(subject)
        found = await answer(said)
        return web.Response(body=await asyncio.to_thread(_as_json, found), content_type="application/json")

    async def read(self, http: web.Request, body: bytes) -> web.StreamResponse:
        """Answer with bytes."""
        said = await asyncio.to_thread(read_call, body)
        read = self.reads.get(subject := str(said.pop("subject", "")))
        if read is None:
            raise _unknown(subject)
        async with read(said) as pieces:
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            await response.prepare(http)
            async for piece in pieces:
                await response.write(piece)
        return response


def _unknown(subject: str) -> ClusterUnavailable:
    return ClusterUnavailable(
        f"The node cannot answer about {subject[:40]!r} now; it is starting, or runs another version."
    )


def _as_json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found).encode()


class Asked:
    """One other node; see `OtherNode`."""

    def __init__(self, info: NodeInfo, client: RelayClient, glance: float = GLANCE) -> None:
        self._info = info
        self._client = client
        self.glance = glance

    @property
    def name(self) -> str:
        """Return its name."""
        return self._info.node

    async def ask(self, subject: str, **said: Any) -> dict[str, Any]:
        """Ask the node; see `OtherNode`."""
        return await self._client.ask(self._info, {"subject": subject, **said})

    @asynccontextmanager
    async def read(self, subject: str, **said: Any) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open data of the node; see `OtherNode`."""
        async with self._client.read(self._info, {"subject": subject, **said}) as pieces:
            yield pieces


class NodesToAsk:
    """The other nodes; see `OtherNodes`."""

    def __init__(self, node: ClusterNode, client: RelayClient, questions: NodeQuestions) -> None:
        self.glance = GLANCE
        self._node = node
        self._client = client
        self._questions = questions
        self._mark = mark_for(node.name)
        self._names: Sequence[str] = ()
        self._read_at = -KNOWN_FOR
        self._place = node.link.of_cluster("names")
        self._tasks = Tasks()

    def start(self) -> None:
        """Start storing this node's name."""
        self._tasks.keep(self._remember)

    async def close(self) -> None:
        """Stop storing it."""
        await self._tasks.close()

    @property
    def name(self) -> str:
        """Return the name of this node."""
        return self._node.name

    def all(self) -> Sequence[OtherNode]:
        """Return the other nodes; see `OtherNodes`."""
        return [self._to_ask(info) for info in self._others()]

    async def away(self) -> Sequence[str]:
        """Return the names of the absent nodes; see `OtherNodes`."""
        there = {self.name, *(info.node for info in self._others())}
        return [name for name in await self._known() if name not in there]

    def maker(self, id: str) -> OtherNode | None:  # noqa: A002
        """Return the node that made an id; see `OtherNodes`."""
        mark = mark_of(id)
        if not mark or mark == self._mark:
            return None
        return next((self._to_ask(info) for info in self._others() if mark_for(info.node) == mark), None)

    async def check_maker(self, id: str) -> None:  # noqa: A002
        """Raise if the node of an id is absent; see `OtherNodes`."""
        mark = mark_of(id)
        if self.maker(id) is not None:
            return
        away = next((name for name in await self._known() if mark_for(name) == mark != self._mark), None)
        if away is not None:
            raise NodeLost(f"The node {away} has {id[:80]!r} but is not running; try again when it is.")

    def answer(self, subject: str, answer: Answer) -> None:
        """Register the handler of a question; see `OtherNodes`."""
        self._questions.answers[subject] = answer

    def serve(self, subject: str, read: Read) -> None:
        """Register the handler of a read; see `OtherNodes`."""
        self._questions.reads[subject] = read

    def _to_ask(self, info: NodeInfo) -> Asked:
        return Asked(info, self._client, self.glance)

    def _others(self) -> list[NodeInfo]:
        known = {info.node: info for info in self._node.view.nodes if info.id != self._node.id and info.address}
        return list(known.values())

    async def _known(self) -> Sequence[str]:
        """Return the known names of nodes, at most `KNOWN_FOR` seconds old while Redis answers."""
        if time.monotonic() >= self._read_at + KNOWN_FOR:
            self._read_at = time.monotonic()
            try:
                found = await self._node.link.run(REMEMBER, [self._place], REMEMBERED)
                self._names = [name.decode(errors="replace") for name in found]
            except ClusterUnavailable:
                pass
        return self._names

    async def _remember(self) -> None:
        while True:
            await self._node.link.run(REMEMBER, [self._place], REMEMBERED, self._node.name)
            await asyncio.sleep(SAY)
