"""Answers in Anthropic's form: the order of a stream's events, the blocks, why an answer ended, what it cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking, Withdrawn
from bridge.errors import SiteBusy
from bridge.settings import ApiSettings, ServerSettings
from tests.api.anthropic.asking import (
    OSLO,
    PATH,
    ROME,
    WEATHER,
    answer,
    asked,
    body,
    both,
    streamed,
    whole,
    without_ids,
)
from tests.api.anthropic.random_answers import OPTIONS, ROMANS, SAID, SEARCH, THOUGHT, TWO_CUTS, script
from tests.support.anthropic_events import assembled, events
from tests.support.fake_backend import HELLO, Served, serving, soon


def deltas(stream: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["delta"] for event in stream if event.get("delta", {}).get("type") == kind]


def kinds(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in message["content"]]


def text_of(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


async def test_a_whole_message_has_all_that_the_sdk_knows_of(served: Served) -> None:
    message = await whole(served)
    signature = message["content"][0].pop("signature")
    assert len(signature) > 20
    assert message.pop("id").startswith("msg_")
    assert message == {
        "type": "message",
        "role": "assistant",
        "model": "deepseek",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello", "citations": []}],
        "container": None,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
            "output_tokens_details": {"thinking_tokens": 1},
            "server_tool_use": None,
        },
    }


async def test_a_stream_has_the_events_of_each_block_in_their_order(served: Served) -> None:
    stream = await streamed(served)
    assert [(event["type"], event.get("index")) for event in stream] == [
        ("message_start", None),
        ("ping", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert stream[0]["message"]["usage"]["input_tokens"] == 1
    assert [delta["text"] for delta in deltas(stream, "text_delta")] == ["Hel", "lo"]
    assert assembled(stream)["content"] == (await whole(served))["content"]


async def test_calls_of_tools_are_blocks_and_the_reason(served: Served) -> None:
    served.backend.script = answer("I look.\n", f"{ROME}\n{OSLO}")
    message = await both(served, tools=[WEATHER])
    first, second = (block for block in message["content"] if block["type"] == "tool_use")
    assert message["stop_reason"] == "tool_use"
    assert (first["name"], first["input"], second["input"]) == ("weather", {"city": "Rome"}, {"city": "Oslo"})
    assert first["id"] != second["id"]
    assert first["id"].startswith("toolu_")
    assert not text_of(message)


async def test_text_that_was_given_out_stays_before_a_call() -> None:
    async with serving(api=ApiSettings(hold_text=0)) as served:
        served.backend.script = answer("I look.", f"\n{ROME}")
        message = await both(served, tools=[WEATHER])
    assert kinds(message) == ["text", "tool_use"]
    assert text_of(message).strip() == "I look."


async def test_the_stop_sequence_that_ended_an_answer_is_named(served: Served) -> None:
    served.backend.script = answer("One. E", "ND two. STOP")
    message = await both(served, stop_sequences=["STOP", "END"])
    assert (text_of(message), message["stop_reason"], message["stop_sequence"]) == ("One. ", "stop_sequence", "END")
    message = await both(served, stop_sequences=["nowhere"])
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)


async def test_a_limit_of_tokens_ends_an_answer(served: Served) -> None:
    served.backend.script = answer(*["word "] * 100)
    message = await both(served, max_tokens=16)
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 16)
    served.backend.script = (Opened(), Text("cut"), Finish("length"))
    assert (await both(served))["stop_reason"] == "max_tokens"


async def test_what_the_site_takes_back_is_a_refusal(served: Served) -> None:
    served.backend.script = (Opened(), Text("Well"), Withdrawn("I cannot say."), Finish("content_filter"))
    message = await whole(served)
    assert (text_of(message), message["stop_reason"]) == ("I cannot say.", "refusal")
    assert message["stop_details"] == {"type": "refusal", "category": None, "explanation": None}
    assert assembled(await streamed(served))["stop_reason"] == "refusal"


async def test_without_a_wish_for_tokens_nothing_is_sent(served: Served) -> None:
    message = await both(served, max_tokens=0)
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert served.backend.requests == []


@pytest.mark.parametrize("display", [{}, {"display": "summarized"}])
async def test_thinking_is_shown_with_a_signature_at_its_end(served: Served, display: dict[str, str]) -> None:
    stream = await streamed(served, thinking={"type": "enabled", "budget_tokens": 2000, **display})
    assert served.backend.requests[-1].model.thinking
    assert [delta["thinking"] for delta in deltas(stream, "thinking_delta")] == ["Hm."]
    assert len(deltas(stream, "signature_delta")) == 1


async def test_thinking_that_shall_be_omitted_is_a_signature_alone(served: Served) -> None:
    message = await both(served, thinking={"type": "adaptive", "display": "omitted"})
    assert kinds(message) == ["thinking", "text"]
    assert message["content"][0]["thinking"] == ""
    assert message["content"][0]["signature"]
    assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 1}


@pytest.mark.parametrize(("name", "shown"), [("deepseek-silent", ["text"]), ("deepseek-fold", ["text"])])
async def test_thinking_goes_where_the_models_name_wants_it(served: Served, name: str, shown: list[str]) -> None:
    message = await both(served, model=name)
    assert kinds(message) == shown
    assert ("Hm." in text_of(message)) is (name == "deepseek-fold")


async def test_the_servers_search_tells_what_it_found(served: Served) -> None:
    served.backend.script = (
        Opened(),
        Searched(queries=("weather rome",)),
        Searched(sources=(ROMANS,)),
        *map(Text, ("It is warm", "[citation:1]", ".")),
        Finish(),
    )
    message = await both(served, tools=[SEARCH])
    assert served.backend.requests[-1].model.search
    use, found, said = message["content"]
    assert (use["type"], use["name"], use["input"]) == ("server_tool_use", "web_search", {"query": "weather rome"})
    assert (found["type"], found["tool_use_id"]) == ("web_search_tool_result", use["id"])
    assert [(one["type"], one["url"], one["title"]) for one in found["content"]] == [
        ("web_search_result", ROMANS.url, ROMANS.title)
    ]
    assert said["text"].startswith("It is warm[[1]](https://rome.example/a).")
    assert said["citations"] == [
        {
            "type": "web_search_result_location",
            "url": ROMANS.url,
            "title": "Rome",
            "encrypted_index": "",
            "cited_text": "Rome is warm.",
        }
    ]
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


async def test_each_search_has_blocks_of_its_own_for_what_is_new(served: Served) -> None:
    oslo = Source(2, "https://oslo.example/", "Oslo")
    served.backend.script = (
        Opened(),
        Searched(sources=(ROMANS,)),
        Thinking("And "),
        Searched(("oslo", "oslo")),
        Thinking("Oslo?"),
        Searched(sources=(ROMANS, oslo)),
        Text("Warm."),
        Searched(("nothing",)),
        Finish(),
    )
    message = await both(served, tools=[SEARCH], thinking={"type": "adaptive"})
    searched = ["server_tool_use", "web_search_tool_result"]
    said = [kind for kind in kinds(message) if kind not in searched]
    assert (said, kinds(message)[:3]) == (["thinking", "text"], [*searched, "thinking"])
    uses = [block for block in message["content"] if block["type"] == "server_tool_use"]
    found = [block for block in message["content"] if block["type"] == "web_search_tool_result"]
    assert [use["input"]["query"] for use in uses] == ["", "oslo", "nothing"]
    assert [[one["title"] for one in block["content"]] for block in found] == [["Rome"], ["Oslo"], []]
    assert [use["id"] for use in uses] == [block["tool_use_id"] for block in found]
    assert len({use["id"] for use in uses}) == 3
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 3


async def test_a_search_that_the_models_name_switches_on_has_no_blocks_of_its_own(served: Served) -> None:
    served.backend.script = (Opened(), Searched(("q",), (ROMANS,)), Text("Warm."), Finish())
    message = await both(served, model="deepseek-search")
    assert kinds(message) == ["text"]
    assert ROMANS.url in text_of(message)


async def test_an_answer_goes_on_from_its_beginning(served: Served) -> None:
    served.backend.script = answer("The answer is (", "B)")
    messages = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "The answer is ("}]
    assert text_of(await both(served, messages=messages)) == "B)"


async def test_json_is_checked_against_the_schema(served: Served) -> None:
    served.backend.script = answer('```json\n{"age": 3}\n```')
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    wanted = {"type": "json_schema", "schema": schema}
    assert text_of(await both(served, output_config={"format": wanted, "effort": "low"})) == '{"age": 3}'
    assert text_of(await both(served, output_format=wanted)) == '{"age": 3}'
    served.backend.script = answer("Three.")
    async with served.http.post(PATH, json=body(output_format=wanted)) as response:
        assert response.status == 502
        assert (await response.json())["error"]["type"] == "api_error"


async def test_a_ping_is_sent_into_each_silence_even_before_the_first_event() -> None:
    gates = asyncio.Event(), asyncio.Event()
    async with serving(ServerSettings(headers_after=0.01, keep_alive=0.01)) as served:
        served.backend.script = (gates[0], Opened(), Text("Hel"), gates[1], Text("lo"), Finish())
        async with served.http.post(PATH, json=body(stream=True)) as response:
            seen = b""
            for gate, count in zip(gates, (2, 5), strict=True):
                while seen.count(b"event: ping") < count:
                    seen += await response.content.readany()
                gate.set()
            seen += await response.content.read()
    assert seen.startswith(b'event: ping\ndata: {"type":"ping"}\n\n')
    assert text_of(assembled(events(seen))) == "Hello"


async def test_a_failure_after_the_first_event_is_an_event(served: Served) -> None:
    served.backend.script = (*HELLO[:3], SiteBusy("The site is busy.", sent=True))
    *_, last = await streamed(served)
    request_id = last.pop("request_id")
    assert last == {"type": "error", "error": {"type": "overloaded_error", "message": "The site is busy."}}
    assert len(request_id) == 36


async def test_a_client_that_leaves_ends_the_chat(served: Served) -> None:
    served.backend.script = (*HELLO[:3], asyncio.Event())
    async with served.http.post(PATH, json=body(stream=True)) as response:
        await response.content.readany()
        await soon(served.backend.waiting)
    await soon(served.backend.closed)


# What is streamed and what is whole


@settings(suppress_health_check=list(HealthCheck))
@given(thought=THOUGHT, said=SAID.map("".join), cuts=TWO_CUTS, options=OPTIONS)
async def test_an_answer_is_the_same_streamed_and_whole_wherever_it_was_cut(
    served: Served, thought: str, said: str, cuts: tuple[list[int], list[int]], options: dict[str, Any]
) -> None:
    messages = []
    for pieces in cuts:
        served.backend.script = script(thought, f"{said}.", pieces)
        messages += [await whole(served, **options), assembled(await streamed(served, **options))]
    first, *others = map(without_ids, messages)
    assert others == [first] * 3


async def test_the_model_is_named_as_it_was_asked_for(served: Served) -> None:
    assert (await both(served, model="claude-opus-4-1-20250805"))["model"] == "claude-opus-4-1-20250805"
    assert (await asked(served, model="claude-haiku-4-5")).model.id == "deepseek"
