"""Any node takes any chat: it goes to a node that has a fitting account, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest

from bridge.chat.caller import Caller
from bridge.chat.types import ChatRequest, Message, Model, Role, Text
from bridge.cluster.shared_conversations import decoded, encoded
from bridge.errors import (
    AccountConflict,
    NoAccount,
    NodeLost,
    NotThere,
    PermissionDenied,
    PoolTimeout,
    RequestError,
    UnknownModel,
)
from bridge.pool.account import NOBODY
from bridge.storage.conversation_file import Change
from tests.support.cluster_nodes import IDENTITY, NAMES, Cluster, Node, answer, chat, node_of
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser


async def two_nodes(cluster: Cluster, *accounts: str, pace: float = 0.01) -> tuple[Node, Node]:
    """Return a node with all the accounts, and one that has none and may have none."""
    owner = await cluster.node("owner", *accounts, pace=pace)
    await until(lambda: owner.ready() == sorted(accounts))
    gateway = await cluster.node("gateway", most=0)
    await until(lambda: gateway.everywhere.unready() is None)
    return owner, gateway


async def test_a_node_without_accounts_answers_from_those_of_another_one(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a")
    assert [model.id for model in gateway.everywhere.models()] == [model.id for model in owner.everywhere.models()]
    assert gateway.everywhere.model("deepseek-chat").id == "deepseek-chat"
    with pytest.raises(UnknownModel):
        gateway.everywhere.model("nothing")
    assert await answer(gateway.everywhere, "3 words") == "a0 a1 a2 "
    assert [(act.node, act.text) for act in cluster.recorder.did("send")] == [("owner", "3 words")]


async def test_chats_go_to_free_accounts_of_all_nodes_and_each_account_has_one_at_a_time(cluster: Cluster) -> None:
    nodes = [await cluster.node("one", *NAMES), await cluster.node("two"), await cluster.node("three")]
    await until(lambda: sorted(name for node in nodes for name in node.ready()) == NAMES)
    await until(lambda: all(len(node.everywhere.accounts()) == len(NAMES) for node in nodes))
    answers = await asyncio.gather(*(answer(nodes[n % 3].everywhere, f"5 words {n}") for n in range(30)))
    assert all(len(one.split()) == 5 for one in answers)
    assert {act.account for act in cluster.recorder.did("send")} == set(NAMES)


async def test_a_client_that_leaves_stops_the_generation_on_the_other_node(cluster: Cluster) -> None:
    _, gateway = await two_nodes(cluster, "a")
    async with aclosing(gateway.everywhere.chat(chat("100000 words"))) as events:
        async for event in events:
            if isinstance(event, Text):
                break
    await until(lambda: cluster.recorder.did("stop"))
    assert await answer(gateway.everywhere, "1 word") == "a0 "


async def test_a_chat_waits_in_the_queue_of_the_node_that_has_the_account(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a", pace=0.05)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(answer(owner.everywhere, "40 words"))
        await until(lambda: cluster.recorder.did("send"))
        second = group.create_task(answer(gateway.everywhere, "2 words"))
        await until(lambda: len(owner.pool.queue.chats()) == 2)
        assert not first.done()
    assert await second == "a0 a1 "
    async with aclosing(owner.everywhere.chat(chat("100000 words"))) as events:
        await anext(events)
        with pytest.raises(PoolTimeout):
            await answer(gateway.everywhere, chat("3 words", start_within=0.2))


async def test_a_chat_that_waits_on_a_node_which_is_drained_is_answered_elsewhere(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a", pace=0.05)
    other = await cluster.node("other")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(answer(owner.everywhere, "40 words"))
        await until(lambda: cluster.recorder.did("send"))
        second = group.create_task(answer(gateway.everywhere, "2 words"))
        await until(lambda: len(owner.pool.queue.chats()) == 2)
        await gateway.cluster.directory.drain("owner", is_draining=True)
    assert (len((await first).split()), await second) == (40, "a0 a1 ")
    assert [act.node for act in cluster.recorder.did("send")] == ["owner", "other"]
    assert other.held() == ["a"]


async def test_a_chat_of_a_node_that_stops_waits_until_its_account_has_come_to_another_one(cluster: Cluster) -> None:
    async with AsyncExitStack() as leaving:
        owner = await leaving.enter_async_context(
            node_of(cluster.settings("owner"), IDENTITY, cluster.recorder.port, "a")
        )
        await until(lambda: owner.ready() == ["a"])
        gateway = await cluster.node("gateway")
        await until(lambda: gateway.everywhere.unready() is None)
    assert await answer(gateway.everywhere, "1 word") == "a0 "


async def test_what_only_an_account_can_answer_that_moves_waits_for_it(cluster: Cluster) -> None:
    """A chat of a key that may use no other account, and one in a conversation that its client names."""
    owner, gateway = await two_nodes(cluster, "a", "b")
    await answer(owner.everywhere, chat("1 word", caller=Caller("key", accounts=("a",))))
    await until(lambda: gateway.cluster.view.names == {"a", "b"})
    await gateway.cluster.directory.drain("owner", is_draining=True)
    await until(lambda: owner.held() == [] and gateway.everywhere.others()[0].accounts == [])
    assert "deepseek-chat" in [model.id for model in gateway.everywhere.models()]
    assert gateway.everywhere.model("deepseek-chat").id == "deepseek-chat"
    async with asyncio.TaskGroup() as group:
        of_key = chat("2 words", caller=Caller("key", accounts=("a",)))
        named = replace(going_on("3 words"), conversation="c-1 word@m-1 word")
        answers = [group.create_task(answer(gateway.everywhere, request)) for request in (of_key, named)]
        other = await cluster.node("other")
        await until(lambda: other.ready() == ["a", "b"])
    assert [answer.result() for answer in answers] == ["a0 a1 ", "a0 a1 a2 "]


async def test_a_node_that_stops_ends_the_chats_that_others_answer_for_it(cluster: Cluster) -> None:
    owner = await cluster.node("owner", "a", pace=0.05)
    await until(lambda: owner.ready() == ["a"])
    async with AsyncExitStack() as leaving:
        settings = cluster.settings("gateway", most=0)
        gateway = await leaving.enter_async_context(node_of(settings, IDENTITY, cluster.recorder.port))
        async with asyncio.TaskGroup() as group:
            first = group.create_task(answer(gateway.everywhere, "20 words"))
            await until(lambda: cluster.recorder.did("send"))
            await gateway.everywhere.drain(LIMIT)
            second = group.create_task(answer(gateway.everywhere, "2 words"))
            await until(lambda: len(owner.pool.queue.chats()) == 2)
            await gateway.everywhere.ended_elsewhere()
            assert (first.done(), second.done()) == (True, True)
        assert (len(first.result().split()), second.result()) == (20, "a0 a1 ")


async def test_a_node_that_is_told_to_hurry_breaks_off_the_chats_that_others_answer_for_it(cluster: Cluster) -> None:
    _, gateway = await two_nodes(cluster, "a")
    answering = asyncio.get_running_loop().create_task(answer(gateway.everywhere, "100000 words"))
    await until(lambda: cluster.recorder.did("send"))
    await gateway.everywhere.drain(LIMIT)
    ending = asyncio.get_running_loop().create_task(gateway.everywhere.ended_elsewhere())
    assert gateway.everywhere.hurry()
    with pytest.raises(NodeLost) as lost:
        await answering
    assert lost.value.sent
    await ending
    await until(lambda: cluster.recorder.did("stop"))


async def test_keys_are_held_to_their_accounts_on_every_node(cluster: Cluster) -> None:
    _, gateway = await two_nodes(cluster, "a", "b")
    for name in ("a", "b"):
        request = chat(f"1 word {name}", caller=Caller("key", accounts=(name,)))
        assert await answer(gateway.everywhere, request) == f"{name}0 "
    with pytest.raises((PermissionDenied, NoAccount)):
        await answer(gateway.everywhere, chat("1 word", caller=Caller("key", accounts=("c",))))


async def test_operators_act_on_an_account_wherever_it_is(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a")
    everywhere = gateway.everywhere
    assert [(account.name, account.site) for account in everywhere.accounts()] == [("a", "deepseek")]
    assert (await everywhere.pause("a")).is_paused
    assert owner.pool.accounts()[0].is_paused
    assert not (await everywhere.resume("a")).is_paused
    assert (await everywhere.check("a")).takes_chats
    assert await everywhere.thumbnail("a") == b"a"
    bundle = await everywhere.bundle("a")
    assert (bundle.name, ZipFile(BytesIO(bundle.data)).read("report.json")) == ("of-a", b"owner")
    with pytest.raises(AccountConflict, match="keeps its name"):
        await everywhere.rename("a", "b")
    with pytest.raises(AccountConflict, match="owner"):
        async with everywhere.hold("a"):
            pass
    with pytest.raises(RequestError):
        await everywhere.check("nobody")
    await everywhere.remove("a")
    assert owner.pool.accounts() == []
    await until(lambda: gateway.everywhere.unready() == NOBODY)


async def test_an_operator_sees_all_nodes_and_where_each_account_is(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a")
    control = gateway.everywhere.control
    assert [(one.name, one.node) for one in gateway.everywhere.accounts()] == [("a", "owner")]
    assert [(one.name, one.node) for one in owner.everywhere.accounts()] == [("a", "owner")]
    assert (await gateway.everywhere.check("a")).node == (await owner.everywhere.check("a")).node == "owner"
    assert [(one.name, one.accounts, one.ready, one.is_own) for one in control.nodes()] == [
        ("gateway", 0, 0, True),
        ("owner", 1, 1, False),
    ]
    with pytest.raises(NotThere, match="'nobody'"):
        await control.drain("nobody", is_draining=True)
    assert (await control.drain("owner", is_draining=True)).leaving == "draining"
    await until(lambda: control.unplaced() == ["a"])
    await until(lambda: [one.accounts for one in control.nodes()] == [0, 0])
    assert (await control.drain("owner", is_draining=False)).leaving == ""
    await until(lambda: owner.ready() == ["a"] and not control.unplaced())
    owner.cluster.drain()
    await until(lambda: control.nodes()[1].leaving == "stopping")


def going_on(*texts: str) -> ChatRequest:
    roles: Sequence[Role] = ("user", "assistant")
    return ChatRequest(texts[-1], Model("deepseek-chat"), tuple(Message(roles[n % 2], t) for n, t in enumerate(texts)))


async def test_a_chat_goes_on_in_its_conversation_whichever_node_is_asked(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, *NAMES)
    texts = ["2 words"]
    for backend, new in ((gateway, "3 words"), (owner, "4 words"), (gateway, "5 words")):
        texts += [await answer(backend.everywhere, going_on(*texts)), new]

        asked = going_on(*texts)

        async def is_known(asked: ChatRequest = asked) -> bool:
            return await gateway.pool.conversations.find(asked, NAMES) is not None

        await until(is_known)
    await answer(gateway.everywhere, going_on(*texts))
    (used,) = {act.account for act in cluster.recorder.did("send")}
    assert [place is not None for place in owner.accounts.workers[used].places] == [False, True, True, True]


async def test_an_account_that_has_moved_goes_on_in_its_conversations(cluster: Cluster) -> None:
    owner, gateway = await two_nodes(cluster, "a")
    answered = await answer(owner.everywhere, "2 words, please")
    other = await cluster.node("other")
    await gateway.cluster.directory.drain("owner", is_draining=True)
    await until(lambda: other.ready() == ["a"])
    await until(lambda: gateway.cluster.view.nodes and gateway.everywhere.node_of("a"))
    again = going_on("2 words, please", answered, "3 words more")
    assert len((await answer(gateway.everywhere, again)).split()) == 3
    assert [place and place.conversation for place in other.accounts.workers["a"].places] == ["c-2 words, please"]


def test_a_change_of_a_conversation_that_cannot_be_read_is_left_out() -> None:
    change = Change("stored", "a", ("c", "a", "m", b"h", 1.5, b"s", None, b"k", b"r"))
    assert decoded(encoded(change, 7)) == (change, 7)
    for data in (
        b"",
        b"[]",
        b"{}",
        encoded(replace(change, row=("c",)), 7),
        encoded(change, 7).replace(b"stored", b"odd"),
        encoded(change, 7).replace(b'"stored"', b"[]"),
        encoded(change, 7).replace(b": 7", b": 1e999"),
        b"[" * 100_000,
    ):
        assert decoded(data) is None
