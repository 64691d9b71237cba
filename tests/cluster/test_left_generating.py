"""Where the site may still generate for a node that has lost an account, the next owner stops it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import Script
from bridge.errors import BridgeError
from bridge.pool.account_record import decoded
from bridge.storage.unfinished_chats import UnfinishedChats
from tests.support.cluster_nodes import LEASE, Cluster, Node, answer
from tests.support.waiting import until

pytestmark = pytest.mark.browser
EMPTY = Script("return redis.call('DEL', KEYS[1])")


async def noted(node: Node) -> tuple[str, ...]:
    """Return what Redis has of the account for its next owner."""
    link = node.cluster.link
    return decoded((await link.fields(link.of_account("a", "data"), "record"))["record"] or b"").generating


async def test_the_next_owner_stops_what_the_one_before_has_left_generating(cluster: Cluster) -> None:
    owner = await cluster.node("owner", "a", pace=0.05)
    await until(lambda: owner.ready() == ["a"])
    chatting = asyncio.get_running_loop().create_task(answer(owner.everywhere, "100000 words"))
    await until(lambda: cluster.recorder.did("send"))

    async def is_noted() -> bool:
        return await noted(owner) == ("c-100000 words",)

    await until(is_noted)
    other = await cluster.node("other")
    async with cluster.redis.link() as link:
        leases = RedisLeases(owner.cluster.link, LEASE)
        await link.run(EMPTY, [owner.cluster.link.of_account("a", "lease")])
        fence = await leases.acquire("a", "somebody")
        assert fence is not None
        await until(lambda: owner.held() == [])
        await owner.cluster.directory.drain("owner", is_draining=True)
        await leases.release("a", "somebody", fence)
    await until(lambda: other.ready() == ["a"])
    assert [(act.node, act.text) for act in cluster.recorder.did("stop leftover")] == [("other", "c-100000 words")]
    assert cluster.recorder.did("stop") == []
    with suppress(BridgeError):
        await chatting

    async def is_forgotten() -> bool:
        return await noted(other) == ()

    await until(is_forgotten)


async def test_what_another_bridge_has_left_is_kept_until_it_is_stopped_and_each_change_is_told(tmp_path: Path) -> None:
    told: list[list[str]] = []
    chats = UnfinishedChats(tmp_path / "a.json", lambda open_: told.append([*open_]))
    await chats.add("own")
    assert await chats.load(["left", "own"]) == ["own", "left"]
    await chats.remove("left")
    await chats.remove("own")
    assert told == [["own"], ["own", "left"], ["own"], []]
    assert await UnfinishedChats(tmp_path / "a.json").load() == []
