"""The streams of the site have the form the real ones have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientError

from bridge.demo import FAULTS, Account, DemoSettings, DemoSite, Script

from .calling import Caller, read_events, replay, text_of

PAGES = ({"url": "https://one.example/", "title": "One"}, {"url": "https://two.example/", "title": "Two"})


@pytest_asyncio.fixture(loop_scope="session")
async def caller(site: DemoSite, account: Account) -> AsyncIterator[Caller]:
    async with Caller(site, account) as calling:
        yield calling


def _names(events: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in events if name]


async def test_a_plain_answer_begins_ready_and_ends_with_title_and_close(caller: Caller, account: Account) -> None:
    account.script(Script(text="Hello there", title="Greeting"))
    events = await caller.read("hi")
    assert _names(events) == ["ready", "update_session", "update_session", "title", "close"]
    ready, close = dict(events)["ready"], dict(events)["close"]
    assert ready == {"request_message_id": 1, "response_message_id": 2, "model_type": "default"}
    assert close == {"click_behavior": "none", "auto_resume": False}
    assert dict(events)["title"] == {"content": "Greeting"}
    patches = [data for name, data in events if not name]
    assert patches[0]["v"]["response"]["fragments"][0]["content"] == "Hell"
    assert patches[1] == {"p": "response/fragments/-1/content", "o": "APPEND", "v": "o th"}
    assert patches[2] == {"v": "ere"}
    assert patches[-2]["v"][-1] == {"p": "quasi_status", "v": "FINISHED"}
    assert patches[-1] == {"p": "response/status", "o": "SET", "v": "FINISHED"}


async def test_the_headers_are_those_of_the_real_site(caller: Caller) -> None:
    async with await caller.ask("hi") as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-ds-sse-heartbeat-timeout-secs"] == "8"
        assert response.headers["cache-control"] == "no-cache"
        await response.read()


async def test_only_the_first_turn_gets_a_title_and_ids_go_on(caller: Caller) -> None:
    await caller.read("one")
    events = await caller.read("two")
    assert "title" not in _names(events)
    assert dict(events)["ready"]["response_message_id"] == 4


@pytest.mark.parametrize("results", [None, PAGES])
@pytest.mark.parametrize("thinking", [False, True])
async def test_the_patches_add_up_to_what_was_sent(
    caller: Caller, account: Account, thinking: bool, results: Any
) -> None:
    style = "reference" if thinking else "citation"
    account.script(Script(text="An answer. ", thinking="Some thought.", results=results, citations=style))
    message = replay(await caller.read("hi", thinking_enabled=thinking, search_enabled=True))
    turn = account.turns[-1]
    assert text_of(message) == turn.sent_text
    assert text_of(message, "THINK") == turn.sent_thinking == ("Some thought." if thinking else "")
    assert message["status"] == "FINISHED"
    history = await caller.get(f"chat/history_messages?chat_session_id={caller.conversation}")
    kept = history["data"]["biz_data"]["chat_messages"][-1]
    assert {**message, "files": []} == kept


async def test_a_thoughtful_search_opens_pages_and_refers_to_them(caller: Caller, account: Account) -> None:
    account.script(Script(text="See ", results=PAGES, citations="reference"))
    message = replay(await caller.read("hi", thinking_enabled=True, search_enabled=True))
    kinds = [fragment["type"] for fragment in message["fragments"]]
    assert kinds == ["THINK", "TOOL_SEARCH", "TOOL_OPEN", "TOOL_OPEN", "THINK", "RESPONSE", "TIP"]
    response = message["fragments"][5]
    assert response["content"] == "See [reference:0][reference:1]"
    opened = {fragment["id"]: fragment for fragment in message["fragments"]}
    assert [opened[r["id"]]["result"]["url"] for r in response["references"]] == [page["url"] for page in PAGES]


async def test_a_plain_search_numbers_its_results(caller: Caller, account: Account) -> None:
    account.script(Script(text="See ", results=PAGES, citations="citation"))
    message = replay(await caller.read("hi", search_enabled=True))
    assert [fragment["type"] for fragment in message["fragments"]] == ["SEARCH", "RESPONSE", "TIP"]
    assert [result["cite_index"] for result in message["fragments"][0]["results"]] == [1, 2]
    assert message["fragments"][0]["content"] == "搜索到 2 个网页"


async def test_no_search_happens_where_it_is_switched_off(caller: Caller, account: Account) -> None:
    account.script(Script(text="No.", results=PAGES, citations="citation"))
    message = replay(await caller.read("latest news"))
    assert text_of(message) == "No."


STREAM_FAULTS = [name for name, fault in FAULTS.items() if fault.where == "stream" and name not in ("stall", "linger")]


@pytest.mark.parametrize("name", STREAM_FAULTS)
@pytest.mark.parametrize(("thinking", "search"), [(False, False), (True, False), (False, True), (True, True)])
async def test_every_fault_fits_every_kind_of_stream(
    caller: Caller, account: Account, name: str, thinking: bool, search: bool
) -> None:
    params = {"seconds": 0.01} if "seconds" in FAULTS[name].params else {}
    account.script(Script(text="An answer, long enough. ", results=PAGES, fault=name, params=params))
    try:
        async with await caller.ask("hi", thinking_enabled=thinking, search_enabled=search) as response:
            stream = await response.read()
    except (ConnectionError, ClientError):
        assert name in ("abort", "lost_connection")
        return
    assert account.turns[-1].outcome
    assert stream.startswith(b"event: ready\n")


@pytest.mark.parametrize("hard", [False, True])
async def test_a_cut_connection_ends_the_turn(caller: Caller, account: Account, hard: bool) -> None:
    account.script(Script(text="0123456789", fault="abort", params={"after": 2, "hard": hard}))
    with pytest.raises((ConnectionError, ClientError)):
        await caller.read("hi")
    await account.wait_for(lambda a: a.turns[0].outcome)
    assert (account.turns[0].outcome, account.turns[0].sent_text) == ("aborted", "01234567")


async def test_cut_streams_carry_the_same_bytes(caller: Caller, account: Account) -> None:
    account.script(Script(text="汉字 🚀 " * 30, cut=7))
    async with await caller.ask("hi") as response:
        chunks = [chunk async for chunk, _ in response.content.iter_chunks()]
    assert text_of(replay(read_events(b"".join(chunks)))) == "汉字 🚀 " * 30
    assert any(not _is_text(chunk) for chunk in chunks)


def _is_text(chunk: bytes) -> bool:
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return False
    return True


async def test_a_silent_stream_carries_heartbeats() -> None:
    settings = DemoSettings(pow_difficulty=10, rate=0, heartbeat=0.05)
    async with DemoSite(settings) as site, Caller(site, site.account("alice")) as caller:
        site.account("alice").fault("silence", seconds=0.3)
        async with await caller.ask("hi") as response:
            stream = await response.read()
    assert stream.count(b"\n: \n\n") >= 2


async def test_tokens_come_at_their_pace_and_tell_when_they_were_sent(caller: Caller, account: Account) -> None:
    account.script(Script(tokens=20, rate=200, stamp=True))
    await caller.read("hi")
    turn = account.turns[-1]
    stamps = [token.split("@") for token in turn.sent_text.split()]
    assert [number for number, _ in stamps] == [str(n) for n in range(20)]
    assert float(stamps[-1][1]) - turn.accepted_at >= 19 / 200 - 0.01


async def test_an_answer_can_be_stopped_and_continued(caller: Caller, account: Account) -> None:
    account.script(Script(text="0123456789" * 10, fault="stall"))
    async with await caller.ask("hi") as response:
        await response.content.readuntil(b'"v":"89')
        address = {"chat_session_id": caller.conversation, "message_id": 2}
        await caller.post("chat/stop_stream", address)
        stream = await response.read()
    assert b'"v":"INCOMPLETE"' in stream
    assert stream.rstrip().endswith(b'{"click_behavior":"none","auto_resume":false}')
    assert account.turns[0].outcome == "stopped"
    async with await caller.open("chat/continue", {**address, "fallback_to_resume": True}) as response:
        message = replay(read_events(await response.read()))
    assert (text_of(message), message["status"]) == ("0123456789" * 10, "FINISHED")
    assert (await caller.post("chat/continue", address))["data"]["biz_code"] == 22


async def test_a_second_stream_takes_an_answer_over(caller: Caller, account: Account) -> None:
    account.script(Script(text="0123456789" * 10, fault="stall"))
    async with await caller.ask("hi") as first:
        await first.content.readuntil(b'"v":"89')
        address = {"chat_session_id": caller.conversation, "message_id": 2}
        async with await caller.open("chat/resume_stream", address) as second:
            message = replay(read_events(await second.read()))
        assert b"close" not in await first.read()
    assert text_of(message) == "0123456789" * 10
    assert account.turns[0].streams == ["completion", "resume_stream"]
    assert (await caller.post("chat/resume_stream", address))["data"]["biz_code"] == 22


async def test_regenerating_and_editing_take_new_numbers(caller: Caller, account: Account) -> None:
    await caller.read("one")
    switches = {"thinking_enabled": False, "search_enabled": False}
    again = {"chat_session_id": caller.conversation, "child_message_id": 2, "user_options": None, **switches}
    async with await caller.open("chat/regenerate", again) as response:
        ready = dict(read_events(await response.read()))["ready"]
    assert (ready["request_message_id"], ready["response_message_id"]) == (1, 3)
    edit = {"chat_session_id": caller.conversation, "message_id": 1, "prompt": "two", "action": None, **switches}
    async with await caller.open("chat/edit_message", edit, "/api/v0/chat/edit_message") as response:
        ready = dict(read_events(await response.read()))["ready"]
    assert (ready["request_message_id"], ready["response_message_id"]) == (4, 5)
    assert [(turn.kind, turn.prompt) for turn in account.turns[1:]] == [("regenerate", "one"), ("edit_message", "two")]


async def test_a_wrong_parent_is_refused(caller: Caller) -> None:
    await caller.read("one")
    caller.parent = None
    async with await caller.ask("two") as response:
        assert (await response.json())["data"]["biz_code"] == 26


async def test_a_caller_that_leaves_frees_the_account(caller: Caller, account: Account) -> None:
    account.script(Script(tokens=5000, rate=50))
    response = await caller.ask("hi")
    await response.content.readuntil(b"word1")
    response.close()
    await account.wait_for(lambda a: a.turns[0].outcome == "disconnected")
    assert not account.generating


async def test_closing_the_site_ends_its_streams_at_once() -> None:
    site = DemoSite(DemoSettings(pow_difficulty=10))
    async with asyncio.timeout(60), site, Caller(site, site.account("alice")) as caller:
        site.account("alice").script(Script(tokens=5000))
        response = await caller.ask("hi")
        await response.content.readuntil(b"word1")
        await site.__aexit__(None, None, None)
        assert site.account("alice").turns[0].outcome == "closed"
