"""The chats of the other nodes for the dashboard, requested every second while there is a watcher.

The node whose account has a chat reports it. Answers of other nodes are bounded like this node's own chats.
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
"""Seconds between two requests."""
ENDED = 100
"""Most ended chats in one answer of a node, and remembered of each node."""

Rows = list[dict[str, Any]]
Own = Callable[[float], Mapping[str, Any]]
"""Returns this node's `running` and `queue`, how many chats ended `today`, and the chats `ended` after a Unix time.

The latter come the oldest first; each has the `chat` and its end `at` as Unix time.
"""


class OtherChats:
    """The chats of the other nodes in `nodes`, which get those of this node from `own`.

    `on_ended` gets the chats that have ended since the last request, or None after the first answer of a node.
    `look_every` is the pause between two requests and the time limit of each, in seconds.
    """

    def __init__(
        self, nodes: OtherNodes, own: Own, on_ended: Callable[[Rows | None], None], look_every: float = LOOK_EVERY
    ) -> None:
        self.nodes = nodes
        self.running: Rows = []
        self.queue: Rows = []
        self.today = 0
        self.missing: Sequence[str] = ()
        """The nodes that did not answer the last request."""
        self._own = own
        self._on_ended = on_ended
        self._look_every = look_every
        self._ended: dict[str, deque[dict[str, Any]]] = {}
        """The ended chats of each node that has answered."""
        self._looked = asyncio.Lock()
        nodes.answer(SUBJECT, self._answer)

    def recent(self, own: Rows, limit: int) -> Rows:
        """Return the ended chats of all nodes, the newest first; `own` are this node's, as rows."""
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
        """Ask repeatedly while `watched` is set; drop the running and waiting chats when it is not."""
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
    """Return the checked row of a chat, with its node."""
    return {**chat_row(chat), "id": str(chat["id"]), "model": str(chat["model"]), "node": node}
