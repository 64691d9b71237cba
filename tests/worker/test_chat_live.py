"""A chat through the real page: what the site means is what the client gets, and nothing else is ever sent."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite, Script
from bridge.sse import SSEDecoder
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import ChatQueued, ChatStarted, ProfileSaved, WorkerChanged, WorkerState
from tests.support.live import QUICK_SITE, Live, directive, live, other_site, reset, served
from tests.support.stress import stress
from tests.support.waiting import LIMIT
from tests.support.watching import account_page

ALPHABET = 'abcdefgh XYZ 0123 ,.;\n\t"\\{}[]<>&#*`|-—äß€你好，世界こんにちは한국어🚀👩‍💻🇪🇺\u200d\u0301'
WAYS = ("sdk", "sdk stream", "curl", "curl stream")
SLOW = directive(tokens=2000, rate=50)
PAIR = ("alice", "bob")


@pytest.fixture(scope="session")
def chromium(full_chromium: Chromium) -> Chromium:
    """The browser that chats go through where nothing is set."""
    return full_chromium


@pytest.fixture(scope="module")
async def shared_pair(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge of the tests that need two accounts."""
    async with live(tmp_path_factory.mktemp("pair"), *PAIR, chromium=chromium) as run:
        yield run


@pytest.fixture
async def pair(shared_pair: Live) -> Live:
    return await reset(shared_pair)


def random_text(number: int) -> str:
    source = random.Random(number)
    return "".join(source.choice(ALPHABET) for _ in range(source.randint(1, 300))) + "."


async def joined(stream: AsyncStream[ChatCompletionChunk]) -> str:
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def curl(run: Live, body: dict[str, Any]) -> str:
    """Return the text of an answer that curl fetched."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sSN", "--max-time", "60", f"{run.bridge.url}/v1/chat/completions"),
        *("-H", f"Authorization: Bearer {run.key}", "-H", "Content-Type: application/json", "-d", "@-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(body).encode())
    if not body.get("stream"):
        return str(json.loads(output)["choices"][0]["message"]["content"])
    frames = [event.data for event in SSEDecoder().feed(output)]
    assert frames.pop() == "[DONE]"
    deltas = [json.loads(frame)["choices"][0]["delta"] for frame in frames]
    return "".join(delta.get("content") or "" for delta in deltas)


async def asked(run: Live, prompt: str, way: str) -> str:
    if way.startswith("curl"):
        messages = [{"role": "user", "content": prompt}]
        return await curl(run, {"model": "deepseek-chat", "messages": messages, "stream": way.endswith("stream")})
    return await joined(await run.stream(prompt)) if way.endswith("stream") else await run.ask(prompt)


@pytest.mark.parametrize("chats", [4, *stress(80)])
async def test_answers_cut_at_random_places_arrive_byte_for_byte(pair: Live, chats: int) -> None:
    differing = []

    async def one(number: int) -> None:
        text = random_text(number)
        if await asked(pair, directive(text=text, cut=number), WAYS[number % 4]) != text:
            differing.append(number)

    for start in range(0, chats, 4):
        async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
            for number in range(start, start + 4):
                tasks.create_task(one(number))
    assert differing == []
    assert sum(len(pair.account(name).turns) for name in PAIR) == chats


async def test_a_prompt_of_a_megabyte_reaches_the_site_and_comes_back_whole(run: Live) -> None:
    prompt = "行 one more line of a long prompt\n" * 28_000
    run.account().script(Script(echo=True, token_size=4000))
    assert await run.ask(prompt) == prompt


async def test_a_client_that_streams_gets_each_token_before_the_next_is_written(run: Live) -> None:
    stream = await run.stream(directive(tokens=200, rate=20))
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    assert run.account().generating
    await stream.close()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_site_and_frees_the_account(run: Live, stream: bool) -> None:
    account = run.account()
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": SLOW}], "stream": stream}
    async with aiohttp.ClientSession(run.bridge.url, headers={"Authorization": f"Bearer {run.key}"}) as http:
        asking = asyncio.ensure_future(http.post("/v1/chat/completions", json=body))  # noqa: TID251
        await account.wait_for(lambda it: it.generating, LIMIT)
        if stream:
            (await asking).close()
        asking.cancel()
    await account.wait_for(lambda it: it.turns[-1].outcome == "stopped", LIMIT)
    assert await run.ask(directive(text="next")) == "next"
    assert account.max_parallel == 1


async def test_a_client_that_hangs_up_at_the_last_frame_costs_the_account_nothing(run: Live) -> None:
    messages = [{"role": "user", "content": directive(text="bye", fault="linger", params={"seconds": 0.5})}]
    body = {"model": "deepseek-chat", "messages": messages, "stream": True}
    async with aiohttp.ClientSession(run.bridge.url, headers={"Authorization": f"Bearer {run.key}"}) as http:
        for _ in range(2):
            async with http.post("/v1/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: [DONE]"):
                        break
                answer.close()
    assert await run.ask(directive(text="next")) == "next"
    states = [fact.state for fact in run.facts.seen if isinstance(fact, WorkerChanged)]
    assert states == [WorkerState.READY]


@pytest.mark.parametrize("stream", [True, *stress(False)])
async def test_a_client_that_leaves_the_queue_takes_no_account(run: Live, stream: bool) -> None:
    first = await run.stream(SLOW)
    after = len(run.facts.seen)
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "never sent"}], "stream": stream}
    async with aiohttp.ClientSession(run.bridge.url, headers={"Authorization": f"Bearer {run.key}"}) as http:
        asking = asyncio.ensure_future(http.post("/v1/chat/completions", json=body))  # noqa: TID251
        await run.facts.wait_for(lambda fact: isinstance(fact, ChatQueued) and fact.waiting == 1, after)
        asking.cancel()
    await first.close()
    assert await run.ask(directive(text="next")) == "next"
    assert [turn.prompt for turn in run.account().turns] == [SLOW, directive(text="next")]


@pytest.mark.parametrize("chats", [6, *stress(12)])
async def test_chats_at_once_on_two_accounts_are_answered_one_by_one_and_in_order(pair: Live, chats: int) -> None:
    names = [f"chat {number}" for number in range(chats)]
    async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
        answers = [tasks.create_task(pair.ask(f"{name} {directive(text=name)}")) for name in names]
    assert [answer.result() for answer in answers] == names
    queued = [fact.chat for fact in pair.facts.seen if isinstance(fact, ChatQueued)]
    started = [fact.chat for fact in pair.facts.seen if isinstance(fact, ChatStarted)]
    assert started == queued
    assert [pair.account(name).max_parallel for name in PAIR] == [1, 1]


async def test_a_stolen_token_alone_gets_no_answer_but_the_page_does(run: Live) -> None:
    body: dict[str, Any] = {
        "chat_session_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "parent_message_id": None,
        "prompt": "hello",
        "ref_file_ids": [],
        "thinking_enabled": False,
        "search_enabled": False,
    }
    headers = {"Authorization": f"Bearer {run.account().token}"}
    async with (
        aiohttp.ClientSession(run.site.url, headers=headers) as thief,
        thief.post("/api/v0/chat/completion", json=body) as refused,
    ):
        assert refused.content_type == "application/json"
        assert (await refused.json())["code"] != 0
    assert await run.ask(f"hello {directive(text='for the page')}") == "for the page"
    assert [turn.outcome for turn in run.account().turns if turn.outcome == "finished"] == ["finished"]


SWITCHES = {
    "deepseek-chat": (False, False),
    "deepseek-reasoner": (True, False),
    "deepseek-search": (False, True),
    "deepseek-r1-search": (True, True),
}
"""What each model means for the switches of thinking and search."""


async def test_the_model_name_sets_both_switches_of_the_page_and_each_chat_starts_an_empty_conversation(
    run: Live,
) -> None:
    models = [*SWITCHES, list(SWITCHES)[-1]]  # the last one twice: then nothing is to be clicked
    for model in models:
        answer = await run.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": directive(text="Yes.", thinking="Hm.")}]
        )
        message, (thinking, search) = answer.choices[0].message, SWITCHES[model]
        assert (message.content or "").startswith("Yes.")
        assert getattr(message, "reasoning_content", None) == ("Hm." if thinking else None)
        turn = run.account().turns[-1]
        assert (turn.thinking_enabled, turn.search_enabled) == (thinking, search)
    turns = run.account().turns
    assert len({turn.conversation for turn in turns}) == len(models)
    assert {turn.parent for turn in turns} == {None}


async def test_a_page_that_is_slow_to_be_ready_gets_the_prompt_exactly_once(run: Live) -> None:
    async with other_site(run, settle=(1.0, 1.5), toggle_settle=(0.5, 1.5)):
        for model in ("deepseek-reasoner", "deepseek-search"):
            assert (await run.ask(directive(text="once"), model)).startswith("once")
    turns = run.account().turns
    assert [(turn.thinking_enabled, turn.search_enabled) for turn in turns] == [(True, False), (False, True)]


async def test_a_chinese_page_with_other_markup_is_driven_just_as_well(run: Live) -> None:
    async with other_site(run, lang="zh", markup="hashed"):
        assert await account_page(run).evaluate("document.documentElement.lang") == "zh-CN"
        assert (await run.ask(directive(text="好"), "deepseek-r1-search")).startswith("好")
        assert await run.ask(directive(text="once more")) == "once more"
    turns = run.account().turns
    assert [(turn.thinking_enabled, turn.search_enabled) for turn in turns] == [(True, True), (False, False)]


async def test_an_account_whose_login_ended_is_parked_and_never_sent_to_again(run: Live) -> None:
    account = run.account()
    account.sign_out(account.token)
    for _ in range(2):
        with pytest.raises(Exception, match=r"signed out|logged_out|Authorization") as caught:
            await run.ask("hello")
        assert getattr(caught.value, "status_code", None) == 503
    await run.facts.state("alice", WorkerState.LOGGED_OUT)
    assert len(account.turns) <= 1


async def test_what_the_site_adds_to_a_login_is_written_back_and_opens_the_account_again(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        async with served(tmp_path, site, chromium) as run:
            store = ProfileStore(run.settings.profiles, load_identity(run.settings.key_source))
            captured = store.load("alice")
            assert await run.ask(directive(text="Yes."), "deepseek-reasoner") == "Yes."
        assert any(isinstance(fact, ProfileSaved) for fact in run.facts.seen)
        kept = store.load("alice")
        assert kept.saved >= captured.saved
        (origin,) = kept.storage_state["origins"]
        assert {"userToken", "thinkingEnabled"} <= {item["name"] for item in origin["localStorage"]}
        async with served(tmp_path, site, chromium) as again:
            assert await again.ask(directive(text="AnotherTry.")) == "AnotherTry."
