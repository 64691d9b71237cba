"""An operator sees on every node what the keys used on all of them, and the chats of all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import DashboardSettings
from tests.support.cluster_http import Endpoint, endpoint_of, key_on, two_endpoints
from tests.support.cluster_nodes import IDENTITY, Cluster, node_of
from tests.support.commands import Home
from tests.support.waiting import until

pytestmark = pytest.mark.browser
COUNTS = ("chats", "failed", "prompt_tokens", "completion_tokens", "tokens")


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def usage(side: Endpoint, by: str) -> tuple[list[dict[str, Any]], list[str]]:
    status, said = await side.call("GET", f"/admin/api/usage?by={by}")
    assert status == 200, said
    return said["usage"], said["missing"]


async def test_usage_is_summed_over_all_nodes_and_told_by_node(
    cluster: Cluster, stack: AsyncExitStack, tmp_path: Path
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    id_, key = await key_on(*both)
    for number in range(3):
        assert (await both[min(number, 1)].ask(key, f"{number + 1} words"))[0] == 200
    for side in both:
        (row,), missing = await usage(side, "key,account")
        assert (row["key"], row["account"], row["chats"], row["failed"], missing) == (id_, "a", 3, 0, [])
        assert row["tokens"] == row["prompt_tokens"] + row["completion_tokens"] > 0
        by_node, _ = await usage(side, "node")
        assert {row["node"]: row["chats"] for row in by_node} == {"one": 1, "two": 2}
        assert sum(row["tokens"] for row in by_node) == row["tokens"]
    (tmp_path / "home").mkdir()
    with Home.at(tmp_path / "home") as home:
        operator = both[1].headers()["Authorization"].removeprefix("Bearer ")
        printed = await home.run("usage", "--json", "--by", "node", "--url", both[1].url, "--key", operator)
        assert {row["node"]: row["chats"] for row in json.loads(printed.out)} == {"one": 1, "two": 2}, printed.err


async def test_what_a_relayed_chat_has_used_counts_when_its_client_leaves_and_not_when_nothing_was_sent(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    id_, key = await key_on(*both)
    client = both[1].openai(key)
    stream = await client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": "100000 words"}], stream=True
    )
    count = 0
    async for _ in stream:
        count += 1
        if count == 30:
            break
    await stream.close()
    await until(lambda: cluster.recorder.did("stop"))

    async def is_counted() -> bool:
        rows, _ = await usage(both[0], "account")
        return [(row["account"], row["failed"], row["completion_tokens"] >= 20) for row in rows] == [("a", 1, True)]

    await until(is_counted)
    (row,), _ = await usage(both[0], "account")

    def used() -> int:
        return both[1].limiter.used(id_)["tokens_per_minute"]

    await until(lambda: used() == row["tokens"])
    await both[0].node.everywhere.pause("a")
    await until(lambda: both[1].node.everywhere.unready() is not None)
    asking = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "1 word that is not sent"}]}
    more = {"x-bridge-deadline": "1", **both[1].headers(key)}
    async with both[1].http.post(f"{both[1].url}/v1/chat/completions", json=asking, headers=more) as response:
        assert response.status == 503
    await until(lambda: used() == row["tokens"])
    rows, _ = await usage(both[0], "account")
    assert sum(one["tokens"] for one in rows) == row["tokens"]


async def test_usage_of_a_node_that_is_away_is_told_to_be_missing(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    third = await stack.enter_async_context(AsyncExitStack())
    node = await third.enter_async_context(node_of(cluster.settings("third", 0), IDENTITY, cluster.recorder.port))
    side = await third.enter_async_context(endpoint_of(node))
    _, key = await key_on(*both, side)
    await until(lambda: node.everywhere.unready() is None and len(both[1].node.everywhere.others()) == 2)
    assert (await side.ask(key, "1 word"))[0] == 200
    assert [row["chats"] for row in (await usage(both[1], "key"))[0]] == [1]
    await third.aclose()
    await until(lambda: len(both[1].node.everywhere.others()) == 1)

    async def is_missing() -> bool:
        return await usage(both[1], "key") == ([], ["third"])

    await until(is_missing)


async def test_a_node_that_does_not_answer_is_waited_for_no_longer_than_a_glance_and_is_named(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    both[1].node.everywhere.nodes.glance = 0.2
    nodes, over = both[0].node.everywhere.nodes, asyncio.Event()
    stack.callback(over.set)

    async def silent(_: Mapping[str, Any]) -> Mapping[str, Any]:
        await over.wait()
        return {}

    for subject in ("chats", "files"):
        nodes.answer(subject, silent)
    for query in ("", "?before=any"):
        assert await both[1].call("GET", f"/admin/api/chats{query}") == (200, {"chats": [], "missing": ["one"]})
    for method, path in (("DELETE", "any"), ("GET", "any"), ("GET", "any/bundle")):
        status, said = await both[1].call(method, f"/admin/api/chats/{path}")
        assert (status, said["error"]["code"]) == (503, "node_lost")
    status, said = await both[1].call("GET", "/v1/files", key)
    assert (status, said["data"]) == (200, [])


async def test_a_table_of_usage_says_by_its_name_and_a_header_that_a_node_is_missing(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")

    async def table() -> tuple[bool, str | None]:
        async with both[1].http.get(f"{both[1].url}/admin/api/usage.csv", headers=both[1].headers()) as response:
            assert response.status == 200
            return "incomplete" in response.headers["Content-Disposition"], response.headers.get("X-Bridge-Missing")

    assert await table() == (False, None)

    async def nothing(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {}

    both[0].node.everywhere.nodes.answer("usage", nothing)
    assert await table() == (True, "one")


async def test_a_node_whose_answers_cannot_be_read_is_told_to_be_missing(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    nodes = both[0].node.everywhere.nodes
    answers: list[dict[str, Any]] = [
        {},
        {"usage": [{"key": "k"}], "chats": [None], "at": "x"},
        {"usage": [{"key": "k", "name": "n", **dict.fromkeys(COUNTS, "many")}], "chats": 1, "at": []},
    ]
    for told in answers:

        async def answer(_: Mapping[str, Any], told: dict[str, Any] = told) -> Mapping[str, Any]:
            return told

        nodes.answer("usage", answer)
        nodes.answer("chats", answer)
        assert await usage(both[1], "key") == ([], ["one"])
        for query in ("", "?before=any"):
            status, said = await both[1].call("GET", f"/admin/api/chats{query}")
            assert (status, said) == (200, {"chats": [], "missing": ["one"]})


async def test_the_chats_of_all_nodes_are_listed_page_by_page_with_their_texts(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    for number in range(5):
        assert (await both[number % 2].ask(key, f"1 word {number}"))[0] == 200
    for side in both:
        chats: list[dict[str, Any]] = []
        while True:
            before = f"&before={chats[-1]['id']}" if chats else ""
            _, said = await side.call("GET", f"/admin/api/chats?limit=2{before}")
            if not said["chats"]:
                break
            chats += said["chats"]
        assert [chat["node"] for chat in chats] == ["one"] * 5, "the account is there"
        asked = []
        for chat in chats:
            status, texts = await side.call("GET", f"/admin/api/chats/{chat['id']}")
            assert status == 200
            asked.append(texts["messages"][-1]["text"])
        assert asked == [f"1 word {number}" for number in (4, 3, 2, 1, 0)]
        assert (await side.call("GET", "/admin/api/chats/nothing"))[0] == 404
        status, said = await side.call("GET", f"/admin/api/chats/{chats[0]['id']}/trace")
        assert (status, "browser.trace" in said["error"]["message"] or "among" in said["error"]["message"]) == (
            404,
            True,
        )


async def test_a_chat_is_cancelled_on_whichever_node_it_runs(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(both[1].ask(key, "100000 words"))
        await until(lambda: cluster.recorder.did("send"))
        (running,) = both[0].node.pool.queue.chats()
        status, said = await both[1].call("DELETE", f"/admin/api/chats/{running.chat}")
        assert status == 200, said
        status, said = await asking
    assert (status, said["error"]["code"]) == (403, "cancelled_by_operator")
    assert (await both[1].call("DELETE", f"/admin/api/chats/{running.chat}"))[0] == 404


async def test_an_archive_of_a_chat_is_read_from_the_node_that_has_it(
    cluster: Cluster, stack: AsyncExitStack, tmp_path: Path
) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    settings = cluster.settings("one")
    browser = settings.browser.model_copy(update={"trace": traces})
    settings = settings.model_copy(update={"browser": browser, "dashboard": DashboardSettings(history=True)})
    node = await stack.enter_async_context(node_of(settings, IDENTITY, cluster.recorder.port, "a"))
    await until(lambda: node.ready() == ["a"])
    two = await cluster.node("two", most=0)
    await until(lambda: two.everywhere.unready() is None)
    both = await stack.enter_async_context(endpoint_of(node)), await stack.enter_async_context(endpoint_of(two))
    _, key = await key_on(*both)
    assert (await both[1].ask(key, "1 word"))[0] == 200
    (chat,) = (await both[1].call("GET", "/admin/api/chats"))[1]["chats"]
    (traces / f"{chat['id']}.zip").write_bytes(b"PK" * 300_000)
    for side in both:
        async with side.http.get(f"{side.url}/admin/api/chats/{chat['id']}/trace", headers=side.headers()) as response:
            assert (response.status, await response.read()) == (200, b"PK" * 300_000)
            assert f"trace-{chat['id']}.zip" in response.headers["content-disposition"]
