"""Chats in Ollama's dialect: what its clients send, and what they get, as lines and whole."""

from __future__ import annotations

import asyncio
import base64
import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.chat.history_digests import after, digest
from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking
from bridge.errors import BrowserError, PoolFull
from bridge.settings import ApiSettings, ServerSettings
from tests.support.fake_backend import KEY, Served, serving, soon

CHAT, GENERATE = "/api/chat", "/api/generate"
HI = [{"role": "user", "content": "Hi"}]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell how warm it is.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
OSLO = CALL.replace("Rome", "Oslo")
COUNTS = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")


async def lines(served: Served, path: str = CHAT, **body: Any) -> list[dict[str, Any]]:
    given = {"model": "deepseek", **({"messages": HI} if path == CHAT else {"prompt": "Hi"}), **body}
    async with served.http.post(path, json=given) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson"), await response.text()
        raw = await response.text()
    assert raw.endswith("\n")
    return [json.loads(line) for line in raw.split("\n")[:-1]]


async def whole(served: Served, path: str = CHAT, **body: Any) -> dict[str, Any]:
    given = {"model": "deepseek", **({"messages": HI} if path == CHAT else {"prompt": "Hi"}), **body}
    async with served.http.post(path, json={**given, "stream": False}) as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def refused(served: Served, path: str = CHAT, status: int = 400, **body: Any) -> str:
    given = {"model": "deepseek", **({"messages": HI} if path == CHAT else {"prompt": "Hi"}), **body}
    async with served.http.post(path, json=given) as response:
        answer = await response.json()
        assert (response.status, [*answer]) == (status, ["error"]), answer
        return str(answer["error"])


def joined(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that a client puts together."""
    messages = [piece["message"] for piece in pieces]
    return {
        "content": "".join(one["content"] for one in messages),
        "thinking": "".join(one.get("thinking", "") for one in messages),
        "calls": [call["function"] for one in messages for call in one.get("tool_calls", [])],
        "reason": pieces[-1]["done_reason"],
    }


async def test_a_chat_streams_lines_unless_told_otherwise(served: Served) -> None:
    *pieces, last = await lines(served, model="deepseek-chat:latest")
    assert [piece["message"] for piece in pieces] == [
        {"role": "assistant", "content": "", "thinking": "Hm."},
        {"role": "assistant", "content": "Hel"},
        {"role": "assistant", "content": "lo"},
    ]
    assert [piece["done"] for piece in pieces] == [False] * 3
    assert {piece["model"] for piece in pieces} == {"deepseek-chat:latest"}
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert all(isinstance(last[name], int) and last[name] >= 0 for name in COUNTS)
    assert last["total_duration"] >= last["load_duration"] + last["prompt_eval_duration"]
    assert min(last["eval_count"], last["prompt_eval_count"], last["eval_duration"]) > 0


async def test_a_whole_chat_is_one_object(served: Served) -> None:
    answer = await whole(served)
    assert answer["message"] == {"role": "assistant", "content": "Hello", "thinking": "Hm."}
    assert (answer["done"], answer["done_reason"]) == (True, "stop")
    assert answer["created_at"].endswith("Z")
    assert all(isinstance(answer[name], int) for name in COUNTS)


async def test_a_completion_has_its_system_text_and_its_pictures(served: Served) -> None:
    answer = await whole(served, GENERATE, system="Be terse.", images=[PNG], raw=True, context=[1, 2])
    assert (answer["response"], answer["thinking"], answer["done_reason"]) == ("Hello", "Hm.", "stop")
    system, prompt = served.backend.requests[0].messages
    assert (system.role, system.text, prompt.text) == ("system", "Be terse.", "Hi")
    assert [(one.media_type, one.name.endswith(".png")) for one in prompt.attachments] == [("image/png", True)]
    pieces = await lines(served, GENERATE)
    assert "".join(piece["response"] for piece in pieces) == "Hello"
    assert "".join(piece.get("thinking", "") for piece in pieces) == "Hm."
    assert pieces[-1]["eval_count"] > 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"messages": []}, "load"),
        ({"messages": None}, "load"),
        ({"messages": [], "keep_alive": 0}, "unload"),
        ({"messages": [], "keep_alive": "5m"}, "load"),
    ],
)
async def test_a_chat_without_messages_loads_the_model_and_asks_the_site_nothing(
    served: Served, body: dict[str, Any], reason: str
) -> None:
    async with served.http.post(CHAT, json={"model": "deepseek", **body}) as response:
        answer = await response.json()
    assert (answer["done"], answer["done_reason"], answer["message"]["content"]) == (True, reason, "")
    async with served.http.post(GENERATE, json={"model": "deepseek", "keep_alive": body.get("keep_alive")}) as response:
        answer = await response.json()
    assert (answer["done_reason"], answer["response"]) == (reason, "")
    assert not served.backend.requests
    assert "deepseek-reasoner" in await refused(served, status=404, model="llama3", messages=[])


async def test_calls_come_whole_with_their_arguments_as_objects(served: Served) -> None:
    served.backend.script = (Opened(), Text("I look."), Text(CALL[:20]), Text(CALL[20:] + OSLO), Finish())
    said = joined(await lines(served, tools=[WEATHER]))
    assert said["calls"] == [
        {"index": index, "name": "weather", "arguments": {"city": city}} for index, city in enumerate(("Rome", "Oslo"))
    ]
    assert (said["content"], said["reason"]) == ("", "stop")
    answer = await whole(served, tools=[WEATHER])
    assert [call["function"] for call in answer["message"]["tool_calls"]] == said["calls"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_conversation_goes_on_when_a_client_sends_back_what_it_got(served: Served, stream: bool) -> None:
    raw = f"I look.\n{CALL}\n{OSLO}"
    served.backend.script = (Opened(), Thinking("Hm."), Text(raw), Finish())
    answer = joined(await lines(served, tools=[WEATHER])) if stream else None
    message = (await whole(served, tools=[WEATHER]))["message"] if answer is None else answer
    calls = message.get("calls") or [call["function"] for call in message["tool_calls"]]
    back = {"role": "assistant", "content": message["content"], "thinking": message["thinking"]}
    results = [{"role": "tool", "tool_name": "weather", "content": f"{city}: 21"} for city in ("Rome", "Oslo")]
    history = [*HI, {**back, "tool_calls": [{"function": one} for one in calls]}, *results]
    served.backend.script = (Opened(), Text("Warm."), Finish())
    last = await whole(served, tools=[WEATHER], messages=history)
    await whole(served, tools=[WEATHER], messages=[*history, last["message"], {"role": "user", "content": "Thanks"}])
    first, second, third = served.backend.requests
    assert digest(second.messages[:-1]) == digest(after(first.messages, first.returned(raw)))
    assert digest(third.messages[:-1]) == digest(after(second.messages, second.returned("Warm.")))
    assert second.messages[-1].text == (
        '<tool_result name="weather" call="1">\nRome: 21\n</tool_result>\n'
        '<tool_result name="weather" call="2">\nOslo: 21\n</tool_result>'
    )


async def test_results_that_name_no_call_belong_to_the_calls_of_their_name(served: Served) -> None:
    calls: list[Any] = [{"function": {"name": name, "arguments": {}}} for name in ("a", "b", "a")]
    named = [{"role": "tool", "content": str(place), "tool_name": name} for place, name in enumerate("aabz")]
    await whole(served, messages=[*HI, {"role": "assistant", "content": "", "tool_calls": calls}, *named])
    await whole(
        served,
        messages=[*HI, {"role": "assistant", "tool_calls": calls}, *[{"role": "tool", "content": "x"}] * 2],
    )
    first, second = (request.messages[-1].text.split("\n")[::3] for request in served.backend.requests)
    assert [tag.removeprefix("<tool_result name=") for tag in first] == [
        '"a" call="1">', '"a" call="3">', '"b" call="2">', '"z">',
    ]  # fmt: skip
    assert [tag.removeprefix("<tool_result name=") for tag in second] == ['"a" call="1">', '"b" call="2">']


async def test_results_that_name_a_call_belong_to_it(served: Served) -> None:
    calls = [{"id": f"call_{place}", "function": {"name": "a", "arguments": {}}} for place in (1, 2)]
    results = [{"role": "tool", "content": "x", "tool_call_id": f"call_{place}", "tool_name": "a"} for place in (2, 1)]
    await whole(served, messages=[*HI, {"role": "assistant", "tool_calls": calls}, *results])
    tags = served.backend.requests[0].messages[-1].text.split("\n")[::3]
    assert tags == ['<tool_result name="a" call="2">', '<tool_result name="a" call="1">']


@pytest.mark.parametrize(
    ("think", "thinks"), [(True, True), ("high", True), (False, False), ("none", False), (None, False)]
)
async def test_think_switches_thinking(served: Served, think: object, thinks: bool) -> None:
    await whole(served, think=think)
    assert served.backend.requests[0].model.thinking is thinks


@pytest.mark.parametrize("wanted", ["json", {"type": "object", "properties": {"a": {"type": "integer"}}}])
async def test_format_makes_the_answer_json(served: Served, wanted: object) -> None:
    served.backend.script = (Opened(), Text('Here:\n```json\n{"a": 1}\n```'), Finish())
    assert json.loads((await whole(served, format=wanted))["message"]["content"]) == {"a": 1}
    assert joined(await lines(served, format=wanted))["content"] == '{"a": 1}'
    assert json.loads((await whole(served, GENERATE, format=wanted))["response"]) == {"a": 1}


async def test_stop_and_num_predict_end_the_answer_and_other_options_are_named(served: Served) -> None:
    assert joined(await lines(served, options={"stop": ["l"]}))["content"] == "He"
    assert (await whole(served, options={"num_predict": 1, "temperature": 0}))["done_reason"] == "length"
    assert (await whole(served, options={"num_predict": -1}))["message"]["content"] == "Hello"
    body = {"model": "deepseek", "messages": HI, "template": "x", "options": {"temperature": 0, "num_ctx": 4096}}
    async with served.http.post(CHAT, json=body) as response:
        assert response.headers["x-bridge-ignored"] == "template, temperature, num_ctx"


async def test_pictures_go_with_the_messages_that_bring_them(served: Served) -> None:
    jpeg = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(8)).decode()
    await whole(
        served, messages=[{"role": "user", "content": "See", "images": [PNG, f"data:image/jpeg;base64,{jpeg}"]}]
    )
    assert [one.media_type for one in served.backend.requests[0].messages[0].attachments] == ["image/png", "image/jpeg"]
    large = base64.b64encode(bytes(2_000_000)).decode()
    data = BytesIO(json.dumps({"model": "deepseek", "prompt": "Hi", "images": [large]}).encode())
    async with served.http.post(GENERATE, data=data, headers={"content-type": "application/json"}) as response:
        assert response.status == 200
    assert served.backend.requests[1].messages[0].attachments[0].size == 2_000_000


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (CHAT, {"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": "Hi", "images": ["!"]}]}, "messages[0].images[0]"),
        (CHAT, {"messages": [{"role": "user", "content": "Hi", "images": "!"}]}, "messages[0].images"),
        (CHAT, {"messages": [{"role": "user", "content": "Hi", "images": [7]}]}, "messages[0].images[0]"),
        (CHAT, {"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
        (CHAT, {"messages": "Hi"}, "messages"),
        (CHAT, {"format": "xml"}, "format"),
        (CHAT, {"options": {"stop": ["x"] * 17}}, "options.stop"),
        (CHAT, {"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name"),
        (CHAT, {"logprobs": True}, "Log probabilities"),
        (CHAT, {"model": ""}, "model"),
        (GENERATE, {"suffix": "end"}, "suffix"),
        (GENERATE, {"prompt": " "}, "prompt"),
        (GENERATE, {"images": "x"}, "images"),
    ],
)
async def test_a_bad_field_is_named(served: Served, path: str, body: dict[str, Any], named: str) -> None:
    assert named in await refused(served, path, **body)
    assert not served.backend.requests


async def test_old_messages_are_read_as_well_as_possible(served: Served) -> None:
    odd = [
        {"role": "robot", "content": [1]},
        {"role": "user", "content": "A", "images": ["!"]},
        {"role": "assistant", "images": [PNG], "tool_calls": [7, {"function": {"name": 7}}]},
        {"role": "system", "content": "B", "images": [PNG]},
    ]
    await whole(served, messages=[*odd, *HI])
    texts = [message.text for message in served.backend.requests[0].messages]
    assert texts == ["[1]", "A\n[image left out]", "", "B\n[image left out]", "Hi"]


@pytest.mark.parametrize("stream", [False, True])
async def test_errors_before_the_answer_have_a_status_and_ollama_s_form(served: Served, stream: bool) -> None:
    served.backend.script = (PoolFull("The queue is full.", retry_after=1),)
    assert await refused(served, status=429, stream=stream) == "The queue is full."
    async with served.http.post("/api/nothing", json={}) as response:
        assert (response.status, [*await response.json()]) == (404, ["error"])
    async with served.http.get(CHAT) as response:
        assert (response.status, [*await response.json()]) == (405, ["error"])
    async with served.http.post(CHAT, json={}, headers={"authorization": "Bearer wrong"}) as response:
        assert (response.status, [*await response.json()]) == (401, ["error"])


async def test_an_error_in_mid_stream_is_the_last_line(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), BrowserError("The page crashed.", sent=True))
    first, last = await lines(served)
    assert (first["message"]["content"], last) == ("Hel", {"error": "The page crashed."})


@pytest.mark.parametrize(("path", "piece"), [(CHAT, "message"), (GENERATE, "response")])
async def test_a_silence_is_a_line_that_every_client_can_read(path: str, piece: str) -> None:
    async with serving(ServerSettings(keep_alive=0.01, headers_after=0.01)) as served:
        served.backend.script = (Opened(), gate := asyncio.Event(), Text("Hello"), Finish())
        body = {"model": "deepseek", "messages": HI, "prompt": "Hi"}
        async with served.http.post(path, json=body) as response:
            kept = json.loads(await response.content.readline())
            assert kept.keys() == {"model", "created_at", "done", piece}
            assert (kept["done"], kept[piece]) == (False, {"role": "assistant", "content": ""} if path == CHAT else "")
            await soon(served.backend.waiting)
            gate.set()
            assert "Hello" in await response.text()


# The same streamed and whole

WORDS = st.sampled_from(
    ["Hello ", "ä€𝄞\n", CALL, OSLO, "<tool_call>", "[citation:1]", '{"a": 1}', "```", "END", "\u2028"]
)


BODIES = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["deepseek", "deepseek-search", "deepseek-r1-fold", "deepseek-r1-silent"]),
        "tools": st.sampled_from([None, [WEATHER]]),
        "options": st.sampled_from([{}, {"stop": "END"}, {"num_predict": 9}]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=6), body=BODIES, size=st.integers(1, 30))
async def test_an_answer_is_the_same_streamed_and_whole_however_it_is_cut(
    served: Served, words: list[str], body: dict[str, Any], size: int
) -> None:
    said = "".join(("So: ", *words))
    begin = (Opened(), Thinking("Hm."), Searched(("q",), (Source(1, "https://a.example/", "A"),)))
    served.backend.script = (*begin, Text(said), Finish())
    first = await whole(served, **body)
    served.backend.script = (
        *begin,
        *(Text(said[place : place + size]) for place in range(0, len(said), size)),
        Finish(),
    )
    pieces = await lines(served, **body)
    streamed, message = joined(pieces), first["message"]
    assert (streamed["content"], streamed["thinking"]) == (message["content"], message.get("thinking", ""))
    assert streamed["calls"] == [call["function"] for call in message.get("tool_calls", [])]
    assert streamed["reason"] == first["done_reason"]
    for name in ("eval_count", "prompt_eval_count"):
        assert pieces[-1][name] == first[name]


async def test_a_name_of_the_operator_s_counts_with_its_tag_and_without() -> None:
    async with serving(api=ApiSettings(aliases={"llama3": "deepseek-reasoner", "qwen:7b": "deepseek"})) as served:
        for name, thinks in (("llama3", True), ("llama3:latest", True), ("llama3:8b", True), ("qwen:7b", False)):
            await whole(served, model=name)
            assert served.backend.requests[-1].model.thinking is thinks
        assert served.http.headers["Authorization"].endswith(KEY)
