"""What comes under the fence of an earlier owner is refused: calls between nodes, and writes of logins."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest

from bridge.chat.ownership import SoleOwnership
from bridge.cluster.shared_conversations import encoded
from bridge.errors import BridgeError, LeaseLost
from bridge.storage.conversation_file import Change
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry
from bridge.worker.stored_login import StoredLogin
from tests.support.cluster_nodes import Cluster, Node, answer, chat, profile_of
from tests.support.waiting import until

SHORT = 2.0
"""Seconds that a chat may wait which no node is to answer."""


async def owner_and_gateway(cluster: Cluster) -> tuple[Node, Node, int]:
    """Return a node with an account, one that may have none, and the fence of the account."""
    owner = await cluster.node("owner", "a")
    await until(lambda: owner.ready() == ["a"])
    gateway = await cluster.node("gateway", most=0)
    await until(lambda: gateway.everywhere.unready() is None)
    lease = owner.cluster.leases.of("a")
    assert lease is not None
    return owner, gateway, lease.fence


@pytest.mark.browser
async def test_what_an_operator_wants_under_another_fence_is_refused(cluster: Cluster) -> None:
    owner, gateway, fence = await owner_and_gateway(cluster)
    (node,) = gateway.everywhere.others()
    for other in (fence - 1, fence + 1, 0, None, str(fence)):
        for action in ("pause", "remove", "bundle", "thumbnail"):
            with pytest.raises(LeaseLost, match="moved to another node"):
                await gateway.everywhere.client.operate(node, action=action, name="a", fence=other)
    assert [account.is_paused for account in owner.pool.accounts()] == [False]
    await gateway.everywhere.client.operate(node, action="pause", name="a", fence=fence)
    assert [account.is_paused for account in owner.pool.accounts()] == [True]


@pytest.mark.browser
async def test_a_prompt_is_let_go_under_the_fence_alone_that_nobody_has_followed(cluster: Cluster) -> None:
    owner, gateway, fence = await owner_and_gateway(cluster)
    client, server = gateway.everywhere.client, owner.everywhere.server
    assert gateway.cluster.view.fence_of("a") == fence
    client.latest_fence = lambda _: fence + 1
    with pytest.raises(LeaseLost, match="moved to another node"):
        await answer(gateway.everywhere, chat("1 word for an earlier owner", start_within=SHORT))
    client.latest_fence = gateway.cluster.view.fence_of
    fences = count(fence)
    server.fence_of = lambda _: next(fences)  # it has moved and come back between question and answer
    with pytest.raises(BridgeError) as refused:
        await answer(gateway.everywhere, chat("1 word for a later owner", start_within=SHORT))
    server.fence_of = owner.cluster.fence_of
    assert (refused.value.sent, cluster.recorder.did("begin"), cluster.recorder.did("send")) == (False, [], [])
    assert await answer(gateway.everywhere, "1 word") == "a0 "


@pytest.mark.browser
async def test_a_login_that_an_earlier_owner_writes_too_late_is_dropped(cluster: Cluster) -> None:
    """The owner was stopped between its look at the clock and the write: its login is the later one by the time."""
    owner, other, fence = await owner_and_gateway(cluster)
    third = await cluster.node("third")
    await owner.cluster.directory.drain("owner", is_draining=True)
    await until(lambda: third.ready() == ["a"])
    await asyncio.to_thread(third.store.save, profile_of("a", locale="de"))

    async def is_told() -> bool:
        return await third.cluster.sync._shared.saved("a") == int(third.store.load("a").saved.timestamp() * 1000)

    await until(is_told)
    await asyncio.to_thread(owner.store.save, profile_of("a", locale="fr"), fence)
    await until(lambda: owner.store.load("a").locale == "de")
    assert third.store.load("a").locale == "de"
    await asyncio.to_thread(other.store.save, profile_of("a", locale="it"))  # what a person does needs no lease
    await until(lambda: third.store.load("a").locale == "it")


class Lost(SoleOwnership):
    """An ownership that ends between the look at the page and the write."""

    fence = 1

    def check(self) -> None:
        raise LeaseLost("It is another node's.")


async def test_a_login_is_not_written_once_the_account_is_another_nodes(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path, Identity.generate())
    store.save(profile_of("a"))
    login = StoredLogin(store.load("a"), store, Telemetry())
    renewed = profile_of("a").with_state({"cookies": [{"name": "s", "value": "2"}], "origins": []}, {})
    await login.keep(renewed, Lost())
    assert store.load("a").storage_state["cookies"] == []
    await StoredLogin(store.load("a"), store, Telemetry()).keep(renewed, SoleOwnership())
    assert store.load("a").storage_state["cookies"] != []


@pytest.mark.browser
async def test_what_an_earlier_owner_tells_of_a_conversation_is_left_out(cluster: Cluster) -> None:
    node, taken = await cluster.node("one"), list[object]()
    node.pool.conversations.apply = lambda change: taken.append(change.row[0])  # type: ignore[method-assign]
    link = node.cluster.link
    told = {"of the owner": 7, "of an earlier one": 6, "of the owner again": 7, "of the next": 8}
    for conversation, fence in told.items():
        change = Change("made", "a", (conversation, "a", 1e12))
        await link.append(link.of_cluster("conversations"), 10, node="another", change=encoded(change, fence))
    await until(lambda: "of the next" in taken)
    assert taken == ["of the owner", "of the owner again", "of the next"]
