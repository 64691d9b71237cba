"""The chats of the other nodes for the dashboard: asked for each second while somebody looks.

A chat is told by the node whose account has it. What another node says is as bounded here as this node's own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest
from typing import Any, NoReturn

from bridge.chat.other_nodes import OtherNode, OtherNodes, chat_row, finite, understood
from bridge.errors import BridgeError, NodeLost
from bridge.monitor.chat_list import MOST_OPEN

SUBJECT = "chats-now"
LOOK_EVERY = 1.0
"""Seconds between two looks."""
ENDED = 100
"""Chats that have ended which a node tells of at a time, and that are remembered of each."""

Rows = list[dict[str, Any]]
Own = Callable[[float], Mapping[str, Any]]
"""Returns this node's `running` and `queue`, how many chats ended `today`, and those that `ended` after a Unix time.

The oldest is the first of these; each is a `chat` with its end as `at`.
"""


class OtherChats:
    """The chats of the other nodes of `nodes`, which are told of `own`.

    `on_ended` gets those that have ended since the last look, or None where a node has told for the first time.
    `look_every` are the seconds between two looks, and that the other nodes have to answer one.
    """

    def __init__(
        self, nodes: OtherNodes, own: Own, on_ended: Callable[[Rows | None], None], look_every: float = LOOK_EVERY
    ) -> None:
        self.nodes = nodes
        self.running: Rows = []
        self.queue: Rows = []
        self.today = 0
        self.missing: Sequence[str] = ()
        """The nodes that have not told of their chats."""
        self._own = own
        self._on_ended = on_ended
        self._look_every = look_every
        self._ended: dict[str, deque[dict[str, Any]]] = {}
        """The rows of each node that has told of its chats."""
        self._looked = asyncio.Lock()
        nodes.answer(SUBJECT, self._answer)

    def recent(self, own: Rows, limit: int) -> Rows:
        """Return the chats of all nodes that have ended, the newest first; `own` are this node's, as rows."""
        rows = [*own, *(row for ended in self._ended.values() for row in ended)]
        return [row["chat"] for row in nlargest(limit, rows, key=lambda row: row["at"])]

    async def look(self) -> None:
        """Ask all nodes once."""
        async with self._looked:
            nodes = self.nodes.all()
            answers = await asyncio.gather(*map(self._ask, nodes))
            names = {node.name for node in nodes}
            self._ended = {name: rows for name, rows in self._ended.items() if name in names}
            self.running, self.queue, self.today, missing = [], [], 0, list[str]()
            for node, answer in zip(nodes, answers, strict=True):
                try:
                    with understood(node.name):
                        self._take(node.name, answer)
                except NodeLost:
                    missing.append(node.name)
            self.missing = missing

    async def follow(self, watched: asyncio.Event) -> NoReturn:
        """Ask again and again as long as somebody looks; nothing is known while nobody does."""
        while True:
            if not watched.is_set():
                self.running, self.queue = [], []
                await watched.wait()
            await self.look()
            await asyncio.sleep(self._look_every)

    async def _ask(self, node: OtherNode) -> Mapping[str, Any]:
        known = self._ended.get(node.name)
        try:
            async with asyncio.timeout(self._look_every):
                return await node.ask(SUBJECT, after=known[-1]["at"] if known else 0.0)
        except (BridgeError, TimeoutError):
            return {}

    def _take(self, name: str, answer: Mapping[str, Any]) -> None:
        running, queue = (_rows(answer[kind], name) for kind in ("running", "queue"))
        today, ended = int(answer["today"]), answer["ended"][-ENDED:]
        rows: Rows = [{"at": finite(row["at"]), "chat": _of_node(row["chat"], name)} for row in ended]
        self.running += running
        self.queue += queue
        self.today += today
        is_first = name not in self._ended
        self._ended.setdefault(name, deque(maxlen=ENDED)).extend(rows)
        if rows:
            self._on_ended(None if is_first else [row["chat"] for row in rows])

    async def _answer(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._own(float(said["after"]))


def _rows(said: Any, node: str) -> Rows:
    return [_of_node(chat, node) for chat in list(said)[:MOST_OPEN]]


def _of_node(chat: Mapping[str, Any], node: str) -> dict[str, Any]:
    """Return a chat as it was told, if it is one."""
    return {**chat_row(chat), "id": str(chat["id"]), "model": str(chat["model"]), "node": node}
