"""What another node says is of any shape: the answer is one without that node, and says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.chat.made_ids import new_id
from bridge.cluster import wire
from bridge.cluster.node_directory import NodeDirectory, NodeInfo
from bridge.cluster_settings import mark_for
from bridge.errors import BridgeError, NodeLost
from tests.support.cluster_http import Endpoint, key_on, two_endpoints
from tests.support.cluster_nodes import Cluster, answer
from tests.support.redis_server import redis_server
from tests.support.waiting import until

pytestmark = pytest.mark.browser
INFINITY = float("inf")
ACCOUNT = {"name": "x", "state": "ready", "fence": 1}
DOCUMENTS: list[dict[str, Any]] = [
    {"accounts": 1},
    {"accounts": ["x"]},
    {"accounts": [{}]},
    {"accounts": [{**ACCOUNT, "name": []}]},
    {"accounts": [{**ACCOUNT, "state": "unheard of"}]},
    {"accounts": [{**ACCOUNT, "until": "yesterday"}]},
    {"accounts": [{**ACCOUNT, "until": "2026-01-01T00:00:00"}]},
    {"accounts": [{**ACCOUNT, "last_error": "none"}]},
    {"accounts": [{**ACCOUNT, "fence": "x"}]},
    {"models": []},
    {"models": {"site": [{}]}},
    {"models": {"site": [{"id": "m", "aliases": 1}]}},
    {"models": {"site": None}},
    {"capacity": "many"},
    {"capacity": -1},
    {"capacity": 10**400},
    {"waiting": None},
    {"unfit": 1},
    {"unfit": "abc"},
    {"clock_ahead": INFINITY},
    {"node": 1},
    {"address": None},
]
ODD: list[Any] = [{}, {"do": 1}]
"""What a node answers to any question."""
SHAPES: Mapping[str, list[dict[str, Any]]] = {
    "chats": [
        {"chats": 1, "at": [], "id": None},
        {"chats": [1], "at": "x"},
        {"chats": [{"at": INFINITY, "chat": {"id": "1"}}], "at": INFINITY},
        {"chats": [{"at": 1, "chat": {"id": "1", "account": [], "tokens": INFINITY}}], "at": {}},
        {"chats": [{"at": 1, "chat": []}]},
    ],
    "usage": [{"usage": 1}, {"usage": {}}, {"usage": [1]}, {"usage": [{"key": 1, "chats": INFINITY}]}],
    "files": [{"files": 1}, {"files": [1]}, {"files": [{"id": 1}]}, {"id": []}],
    "responses": [
        {"response": 1, "conversation": 1, "events": 1, "chain": 1, "item": 1},
        {"response": {}, "input": 1, "conversation": {}, "events": [1], "is_over": 1, "chain": [{}], "item": []},
        {"chain": [{"response": {"id": "a", "status": "completed", "previous_response_id": 1}, "input": []}]},
        {"conversation": {"id": "a"}, "items": [1]},
    ],
}


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def test_a_node_that_says_of_itself_what_cannot_be_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    good = NodeInfo("good", "1", "http://127.0.0.1:9", 1, accounts=[ACCOUNT], models={"site": [{"id": "m"}]})
    async with redis_server(tmp_path) as server, server.link() as link:
        directory = NodeDirectory(link, 60_000)
        for number, odd in enumerate(DOCUMENTS):
            node = NodeInfo(**{**asdict(good), "node": f"odd{number}", **odd})
            assert [info.node for info in await directory.announce(node)] == [], odd
        assert [info.node for info in await directory.announce(good)] == ["good"]


async def test_beside_a_node_that_cannot_be_read_chats_and_accounts_go_on(cluster: Cluster) -> None:
    one = await cluster.node("one", "a")
    async with cluster.redis.link(prefix="bridge") as link:
        odd = NodeInfo("odd", "1", "http://127.0.0.1:9", 1, accounts=[{"name": ["b"]}], models={"deepseek": [{}]})
        await NodeDirectory(link, 60_000).announce(odd)
        await until(lambda: one.ready() == ["a"])
        steps = one.cluster._steps
        await until(lambda: one.cluster._steps >= steps + 2)
        assert one.everywhere.others() == []
        assert [account.name for account in one.everywhere.accounts()] == ["a"]
        assert await answer(one.everywhere, "1 word") == "a0 "


@dataclass
class Odd:
    """A node with the account a that answers `given` to whatever it is asked, and the one that asks it."""

    asking: Endpoint
    key: str
    given: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    async def beside(cls, cluster: Cluster, stack: AsyncExitStack) -> Odd:
        one, two = await two_endpoints(cluster, stack, "a")
        odd = cls(two, (await key_on(one, two))[1])
        for subject in SHAPES:
            one.node.everywhere.nodes.answer(subject, odd.answer)
        one.node.everywhere.operations._do = odd.answer  # type: ignore[method-assign, assignment]
        return odd

    async def answer(self, *_: Any) -> Any:
        return self.given

    async def is_missing(self, path: str) -> None:
        status, said = await self.asking.call("GET", path)
        assert (status, said["missing"]) == (200, ["one"]), (path, self.given)

    async def is_lost(self, method: str, path: str, by: str | None = None, **more: Any) -> None:
        status, said = await self.asking.call(method, path, by, **more)
        assert (status, said["error"]["code"]) == (503, "node_lost"), (method, path, self.given, said)


async def test_of_chats_and_usage_in_another_shape_the_others_are_told_and_that_these_are_missing(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    odd = await Odd.beside(cluster, stack)
    for odd.given in [*SHAPES["chats"], *ODD]:
        await odd.is_missing("/admin/api/chats")
        await odd.is_lost("GET", "/admin/api/chats/any")
        await odd.is_lost("DELETE", "/admin/api/chats/any")
    for odd.given in [*SHAPES["usage"], *ODD]:
        await odd.is_missing("/admin/api/usage?by=key")
        await odd.is_missing("/admin/api/usage?by=day,node")


async def test_files_and_responses_in_another_shape_are_those_of_a_node_that_does_not_answer(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    odd = await Odd.beside(cluster, stack)
    id_ = new_id(mark_for("one")).hex
    for odd.given in [*SHAPES["files"], *ODD]:
        assert (await odd.asking.call("GET", "/v1/files", odd.key))[1]["data"] == []
        await odd.is_lost("GET", f"/v1/files/file-{id_}", odd.key)
    for odd.given in [*SHAPES["responses"], *ODD]:
        for path in (f"responses/resp_{id_}", f"conversations/conv_{id_}", f"responses/resp_{id_}?stream=true"):
            await odd.is_lost("GET", f"/v1/{path}", odd.key)
        for more in ({"previous_response_id": f"resp_{id_}"}, {"conversation": f"conv_{id_}"}):
            body = {"model": "deepseek-chat", "input": "hi", **more}
            await odd.is_lost("POST", "/v1/responses", odd.key, json=body)


async def test_what_comes_of_an_operation_in_another_shape_is_that_of_a_node_that_does_not_answer(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    odd = await Odd.beside(cluster, stack)
    for odd.given in ({}, {"account": 1}, {"account": {"name": "a"}}, {"account": {**ACCOUNT, "until": "soon"}}):
        await odd.is_lost("POST", "/admin/api/accounts/a/pause")
    for odd.given in ({}, {"data": 1}, {"data": "a"}, {"data": "ä"}):
        with pytest.raises(NodeLost):
            await odd.asking.node.everywhere.thumbnail("a")


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {"kind": [], "message": "m"},
        {"kind": "PoolFull", "message": 1},
        {"kind": "PoolFull", "message": "m", "retry_after": "soon"},
        {"kind": "PoolFull", "message": "m", "retry_after": INFINITY},
        {"kind": "PoolFull", "message": "m", "until": "2026-01-01T00:00:00"},
        {"kind": "PoolFull", "message": "m", "param": 1},
    ],
)
def test_an_error_of_another_shape_is_an_error(said: Any) -> None:
    error = wire.error_of(said)
    assert (type(error), error.sent) == (BridgeError, True)


@pytest.mark.parametrize("said", [{"event": []}, {"event": "Text"}, {"event": "Text", "text": 1}, {"event": "x"}])
def test_an_event_of_another_shape_is_none(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not an event|validation error"):
        wire.event_of(said)
