"""What one node keeps, each node finds: responses, conversations and files, whichever node a request comes to."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from openai import APIStatusError, NotFoundError

from bridge.chat.made_ids import mark_of, new_id
from bridge.chat.types import ChatRequest
from bridge.cluster_settings import ClusterSettings, mark_for
from tests.support.cluster_http import Endpoint, endpoint_of, key_on, two_endpoints
from tests.support.cluster_nodes import IDENTITY, Cluster, node_of
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser
Both = tuple[Endpoint, Endpoint]


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


def seen(both: Both) -> ChatRequest:
    """Return the last chat that the account was given."""
    return both[0].node.accounts.workers["a"].seen[-1]


def texts(request: ChatRequest) -> list[str]:
    return [message.text for message in request.messages]


async def test_a_chain_of_responses_goes_on_from_node_to_node(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    one, two = (side.openai(key) for side in both)
    ids: list[str] = []
    for number, client in enumerate((one, two, one, two, two, one)):
        made = await client.responses.create(
            model="deepseek-chat", input=f"1 word {number}", previous_response_id=ids[-1] if ids else None
        )
        ids.append(made.id)
    said = texts(seen(both))
    assert [text for text in said if "word" in text] == [f"1 word {number}" for number in range(6)]
    assert len({mark_of(id_) for id_ in ids}) == 2
    for client in (one, two):
        assert [(await client.responses.retrieve(id_)).id for id_ in ids] == ids
        items = [item async for item in client.responses.input_items.list(ids[1])]
        assert "1 word 1" in items[0].model_dump_json()
    await two.responses.delete(ids[0])
    for client in (one, two):
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(ids[0])
        with pytest.raises(NotFoundError) as error:
            await client.responses.create(model="deepseek-chat", input="1 word", previous_response_id=ids[3])
        assert error.value.code == "previous_response_not_found"


async def test_a_response_belongs_to_its_key_on_every_node(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    made = await both[0].openai(key).responses.create(model="deepseek-chat", input="1 word")
    status, added = await both[0].call("POST", "/admin/api/keys", json={"name": "another"})
    assert status == 201
    await until(lambda: both[1].access.named(added["id"]) is not None)
    with pytest.raises(NotFoundError):
        await both[1].openai(added["key"]).responses.retrieve(made.id)


async def test_a_response_in_the_background_is_followed_and_cancelled_from_another_node(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    one, two = (side.openai(key) for side in both)
    short = await one.responses.create(model="deepseek-chat", input="30 words", background=True)
    found = [event async for event in await two.responses.retrieve(short.id, stream=True)]
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert found[-1].type == "response.completed"
    text = "".join(event.delta for event in found if event.type == "response.output_text.delta")
    assert len(text.split()) == 30
    rest = [event async for event in await two.responses.retrieve(short.id, stream=True, starting_after=3)]
    assert [event.sequence_number for event in rest] == list(range(4, len(found)))
    long = await one.responses.create(model="deepseek-chat", input="100000 words", background=True)
    await until(lambda: cluster.recorder.did("send")[-1:] and cluster.recorder.did("send")[-1].text == "100000 words")
    assert (await two.responses.retrieve(long.id)).status in ("queued", "in_progress")
    with pytest.raises(APIStatusError, match="still runs"):
        await two.responses.create(model="deepseek-chat", input="1 word", previous_response_id=long.id)
    assert (await two.responses.cancel(long.id)).status == "cancelled"
    await until(lambda: cluster.recorder.did("stop"))
    assert (await one.responses.retrieve(long.id)).status == "cancelled"


async def test_a_conversation_takes_turns_on_all_nodes_and_misses_none(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    one, two = (side.openai(key) for side in both)
    conversation = await one.conversations.create(metadata={"topic": "words"})
    for number, client in enumerate((two, one, two, two)):
        asked: dict[str, Any] = {"model": "deepseek-chat", "input": f"1 word {number}", "conversation": conversation.id}
        if number % 2:
            await client.responses.create(**asked)
        else:
            assert [event async for event in await client.responses.create(**asked, stream=True)]
        said = [text for text in texts(seen(both)) if "word" in text]
        assert said == [f"1 word {before}" for before in range(number + 1)]
    listed = [item async for item in two.conversations.items.list(conversation.id)]
    assert len(listed) == 8
    assert listed == [item async for item in one.conversations.items.list(conversation.id)]
    await two.conversations.items.create(
        conversation.id, items=[{"type": "message", "role": "user", "content": "One more"}]
    )
    await two.conversations.items.delete(str(listed[-1].id), conversation_id=conversation.id)
    await two.conversations.update(conversation.id, metadata={"topic": "other"})
    assert (await one.conversations.retrieve(conversation.id)).metadata == {"topic": "other"}
    assert len([item async for item in one.conversations.items.list(conversation.id)]) == 8
    await two.conversations.delete(conversation.id)
    for client in (one, two):
        with pytest.raises(NotFoundError):
            await client.conversations.retrieve(conversation.id)


async def test_a_file_is_used_read_listed_and_deleted_on_another_node(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    one, two = (side.openai(key) for side in both)
    data = b"Words of a file.\n" * 40_000
    stored = await one.files.create(file=("words.txt", data), purpose="user_data")
    other = await two.files.create(file=("other.txt", b"Other words."), purpose="user_data")
    for client in (one, two):
        assert (await client.files.retrieve(stored.id)).bytes == len(data)
        assert (await client.files.content(stored.id)).content == data
        assert [file.id async for file in client.files.list()] == [other.id, stored.id]
    content = [{"type": "text", "text": "1 word"}, {"type": "file", "file": {"file_id": stored.id}}]
    for number in range(2):
        asked = [{"role": "user", "content": [*content, {"type": "text", "text": str(number)}]}]
        status, _ = await both[1].call(
            "POST", "/v1/chat/completions", key, json={"model": "deepseek-chat", "messages": asked}
        )
        assert status == 200
        (file,) = seen(both).messages[-1].attachments
        assert (file.name, file.data) == ("words.txt", data)
    await two.files.delete(stored.id)
    for side, client in zip(both, (one, two), strict=True):
        with pytest.raises(NotFoundError):
            await client.files.content(stored.id)
        asked = [{"role": "user", "content": [*content, {"type": "text", "text": "again"}]}]
        status, said = await side.call(
            "POST", "/v1/chat/completions", key, json={"model": "deepseek-chat", "messages": asked}
        )
        assert (status, said["error"]["code"]) == (404, "file_not_found")


async def test_what_a_node_keeps_that_is_away_is_told_from_what_is_not_there(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    third = await stack.enter_async_context(AsyncExitStack())
    node = await third.enter_async_context(node_of(cluster.settings("third", 0), IDENTITY, cluster.recorder.port))
    side = await third.enter_async_context(endpoint_of(node))
    await until(lambda: node.everywhere.unready() is None and len(both[1].node.everywhere.others()) == 2)
    _, key = await key_on(*both, side)
    there, here = side.openai(key), both[1].openai(key)
    made = await there.responses.create(model="deepseek-chat", input="1 word")
    file = await there.files.create(file=("words.txt", b"Words"), purpose="user_data")
    conversation = await there.conversations.create()
    assert (await here.responses.retrieve(made.id)).id == made.id
    await third.aclose()
    await until(lambda: len(both[1].node.everywhere.others()) == 1)
    for ask in (
        lambda: here.responses.retrieve(made.id),
        lambda: here.responses.create(model="deepseek-chat", input="1 word", previous_response_id=made.id),
        lambda: here.responses.create(model="deepseek-chat", input="1 word", conversation=conversation.id),
        lambda: here.files.retrieve(file.id),
        lambda: here.files.delete(file.id),
        lambda: here.conversations.delete(conversation.id),
    ):
        with pytest.raises(APIStatusError, match="third") as error:
            await ask()
        assert (error.value.status_code, error.value.response.json()["error"]["code"]) == (503, "node_lost")
    for id_ in (f"resp_{new_id().hex}", f"resp_{new_id(mark_for('one')).hex}", "resp_nothing"):
        with pytest.raises(NotFoundError):
            await here.responses.retrieve(id_)
    assert [one.id async for one in here.files.list()] == []


def test_a_bridge_that_is_alone_marks_no_ids() -> None:
    assert ClusterSettings().mark == ""
    assert len({mark_of(str(new_id())) for _ in range(20)}) == 20


async def test_a_conversation_that_a_client_names_goes_on_whichever_node_is_asked(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    one, two = await cluster.node("one", "a", most=1), await cluster.node("two", "b", most=1)
    await until(lambda: one.ready() and two.ready() and one.everywhere.others() and two.everywhere.others())
    both = await stack.enter_async_context(endpoint_of(one)), await stack.enter_async_context(endpoint_of(two))
    _, key = await key_on(*both)
    status, said = await both[0].ask(key, "1 word 0")
    assert status == 200
    words = {said["choices"][0]["message"]["content"]}
    for number in range(1, 5):
        name = said["conversation_id"]
        status, said = await both[number % 2].ask(key, f"1 word {number}", conversation_id=name)
        assert (status, said["conversation_id"].partition("@")[0]) == (200, name.partition("@")[0])
        words.add(said["choices"][0]["message"]["content"])
    assert len(words) == 1, "one account has answered all of them"
    begun = time.monotonic()
    for side in both:
        status, said = await side.ask(key, "1 word more", conversation_id="c-nobody@m-nothing")
        assert (status, said["error"]["param"]) == (404, "conversation_id"), said
    assert time.monotonic() - begun < LIMIT, "the queue has twice that time"
