"""A node shows the chats of the others: what they tell is taken, bounded, and where one does not tell that is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from bridge.chat.cluster_control import NodeStatus
from bridge.chat.other_nodes import Answer, OtherNode, Read
from bridge.errors import NodeLost
from bridge.monitor.monitor import Monitor
from bridge.monitor.other_chats import ENDED, OtherChats
from bridge.settings import Settings
from bridge.telemetry import ChatEnded, ChatQueued, ChatStarted
from tests.support.waiting import LIMIT, until


class Node:
    """Another node, which tells what it is given to tell."""

    glance = LIMIT

    def __init__(self, name: str, told: Mapping[str, Any] | Exception | None) -> None:
        self.name = name
        self.told = told
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, subject: str, **said: Any) -> dict[str, Any]:
        self.asked.append(said)
        if isinstance(self.told, Exception):
            raise self.told
        if self.told is None:
            await asyncio.Event().wait()
        return dict(self.told or {})

    def read(self, subject: str, **said: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError


class Nodes:
    """A cluster of which this node is called `own`."""

    name = "own"

    def __init__(self, *nodes: Node) -> None:
        self.others = nodes
        self.answers: dict[str, Answer] = {}

    def all(self) -> Sequence[OtherNode]:
        return self.others

    async def away(self) -> Sequence[str]:
        return ()

    def maker(self, id: str) -> OtherNode | None:  # noqa: A002
        return None

    async def check_maker(self, id: str) -> None:  # noqa: A002
        pass

    def answer(self, subject: str, answer: Answer) -> None:
        self.answers[subject] = answer

    def serve(self, subject: str, read: Read) -> None:
        raise NotImplementedError


class Control:
    """The same cluster, as its operator sees it."""

    def nodes(self) -> Sequence[NodeStatus]:
        return [NodeStatus("own", "", "1", 0, 1, 0, 0, 0, is_own=True)]

    def unplaced(self) -> Sequence[str]:
        return ()

    async def drain(self, node: str, *, is_draining: bool) -> NodeStatus:
        raise NotImplementedError


def chat(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "model": "m", "account": "a", "step": "writing", "tokens": 1, "since": "", **more}


def told(*ended: tuple[float, str], running: Sequence[Mapping[str, Any]] = (), today: int = 0) -> dict[str, Any]:
    rows = [{"at": at, "chat": chat(name)} for at, name in ended]
    return {"running": list(running), "queue": [], "today": today, "ended": rows}


async def test_chats_of_all_nodes_are_shown_the_newest_first_and_named_by_their_node() -> None:
    one, two = (
        Node("one", told((5.0, "five"), (9.0, "nine"), today=2)),
        Node("two", told((7.0, "seven"), running=[chat("r")])),
    )
    ended: list[Any] = []
    others = OtherChats(Nodes(one, two), lambda _: {}, ended.append)
    await others.look()
    assert [(row["id"], row["node"]) for row in others.running] == [("r", "two")]
    own = [{"at": 8.0, "chat": chat("eight")}, {"at": 6.0, "chat": chat("six")}]
    assert [row["id"] for row in others.recent(own, 4)] == ["nine", "eight", "seven", "six"]
    assert (others.today, others.missing, ended) == (2, [], [None, None])
    one.told, two.told = told((11.0, "eleven")), told()
    await others.look()
    assert (one.asked[-1], two.asked[-1]) == ({"after": 9.0}, {"after": 7.0})
    assert [[row["id"] for row in rows] for rows in ended[2:]] == [["eleven"]]
    assert others.running == []


async def test_a_node_that_does_not_tell_or_tells_nonsense_is_named_and_harms_no_other() -> None:
    bad: list[Any] = [
        NodeLost("gone"),
        {},
        told() | {"running": [1]},
        told() | {"ended": [{"at": "x", "chat": {}}]},
        told() | {"ended": [{"at": float("nan"), "chat": chat("n")}]},
        told() | {"running": [chat("r", account=[])]},
        told() | {"queue": [chat("q", tokens=float("inf"))]},
        told() | {"queue": [chat("q", marks=1)]},
        told() | {"today": float("inf")},
        None,
    ]
    nodes = [Node(f"bad{number}", one) for number, one in enumerate(bad)]
    good = Node("good", told(running=[chat("r")]))
    others = OtherChats(Nodes(*nodes, good), lambda _: {}, lambda _: None, look_every=0.1)
    async with asyncio.timeout(LIMIT):
        await others.look()
    assert others.missing == [node.name for node in nodes]
    assert [row["id"] for row in others.running] == ["r"]


async def test_what_a_node_tells_is_bounded() -> None:
    many = told(*((float(number), str(number)) for number in range(1000)), running=[chat(str(n)) for n in range(3000)])
    others = OtherChats(Nodes(Node("one", many)), lambda _: {}, lambda _: None)
    await others.look()
    assert (len(others.running), len(others.recent([], 5000))) == (2000, ENDED)


@pytest.mark.slow
async def test_the_dashboard_s_state_and_events_have_the_chats_of_all_nodes() -> None:
    one = Node("one", told((5.0, "five"), running=[chat("r")], today=3))
    nodes, monitor = Nodes(one), Monitor(Settings())
    monitor.join(Control(), nodes)
    async with monitor:
        monitor(ChatQueued("mine", "m", 1))
        monitor(ChatStarted("mine", "b"))
        with monitor.watcher() as watcher:
            await until(lambda: one.asked)
            await until(lambda: monitor.state()["running"][1:])
            state = monitor.state()
            assert [(row["id"], row["node"]) for row in state["running"]] == [("mine", "own"), ("r", "one")]
            assert (state["bridge"]["chats_today"], [row["id"] for row in state["recent"]]) == (3, ["five"])
            one.told = told((8.0, "eight"))
            seen = b""
            async with asyncio.timeout(LIMIT):
                while b"event: chat" not in seen:
                    seen += await watcher.next(1.0)
            assert b'"eight"' in seen.partition(b"event: chat")[2]
        marks = {"end": 1.0}
        monitor(ChatEnded("mine", "m", "b", "stop", "", marks, 1, 1, 1))
        (answer,) = nodes.answers.values()
        said = await answer({"after": 0.0})
        assert ([row["chat"]["id"] for row in said["ended"]], said["running"], said["today"]) == (["mine"], [], 1)
        assert (await answer({"after": said["ended"][-1]["at"]}))["ended"] == []
