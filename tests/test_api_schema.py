"""Every response fits the SDK's own types; whatever a body holds, there is an answer, or a 400 that names its field."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from bridge.chat import Finish, Opened, Searched, Source, Text, Thinking, Withdrawn
from tests.fake_backend import HELLO, Served, Step, serving
from tests.test_api import frames

CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
FOUND = Searched(("q",), (Source(1, "https://a.example/", "A"),))
TOOLS = [{"type": "function", "function": {"name": "f"}}]
SHOWN: list[tuple[dict[str, Any], tuple[Step, ...]]] = [
    ({}, HELLO),
    ({"stream_options": {"include_usage": True}}, HELLO),
    ({"model": "deepseek-r1-search"}, (Opened("c", "2"), Thinking("Hm."), FOUND, Text("A [citation:1]."), Finish())),
    ({"model": "deepseek-r1-search-fold"}, (Opened(), Thinking("Hm."), FOUND, Text("A [citation:1]."), Finish())),
    ({"model": "deepseek-r1-search-silent"}, (Opened(), Thinking("Hm."), FOUND, Text("A [citation:1]."), Finish())),
    ({"tools": TOOLS}, (Opened(), Text(f"I call.\n{CALL}\n{CALL}"), Finish())),
    ({"tools": TOOLS}, HELLO),
    ({"functions": [TOOLS[0]["function"]]}, (Opened(), Text(CALL), Finish())),
    ({"response_format": {"type": "json_object"}}, (Opened(), Text('{"a": 1}'), Finish())),
    ({"n": 3, "stream_options": {"include_usage": True}}, HELLO),
    ({"max_tokens": 2}, HELLO),
    ({"stop": "l"}, HELLO),
    ({}, (Opened(), Text("A"), Withdrawn("B"), Finish())),
    ({}, (Opened(), Finish("content_filter"))),
]


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


@pytest.mark.parametrize(("body", "script"), SHOWN)
async def test_every_answer_is_one_by_the_sdk_s_own_types(
    served: Served, body: dict[str, Any], script: tuple[Step, ...]
) -> None:
    served.backend.script = script
    async with served.post(**body) as response:
        assert response.status == 200
        answer = await response.json()
    checked = ChatCompletion.model_validate_json(json.dumps(answer), strict=True)
    assert checked.model == body.get("model", "deepseek")
    for choice in answer["choices"]:
        assert {"index", "finish_reason", "logprobs", "message"} <= choice.keys()
        assert {"role", "content", "refusal"} <= choice["message"].keys()


@pytest.mark.parametrize(("body", "script"), SHOWN)
async def test_every_chunk_is_one_by_the_sdk_s_own_types(
    served: Served, body: dict[str, Any], script: tuple[Step, ...]
) -> None:
    served.backend.script = script
    async with served.post(stream=True, **body) as response:
        *chunks, done = frames(await response.read())
    assert done == "[DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    for number in range(body.get("n", 1)):
        own = [choice for choice in choices if choice["index"] == number]
        assert own[0]["delta"]["role"] == "assistant"
        assert [bool(choice["finish_reason"]) for choice in own] == [False] * (len(own) - 1) + [True]


@pytest.mark.parametrize(("body", "script"), SHOWN)
async def test_the_sdk_s_own_stream_helper_puts_the_whole_answer_together(
    served: Served, body: dict[str, Any], script: tuple[Step, ...]
) -> None:
    served.backend.script = script
    known = {name: value for name, value in body.items() if name not in ("functions", "response_format")}
    given = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], **known}
    whole = await served.openai.chat.completions.create(**given)
    given.pop("stream_options", None)
    if "max_tokens" in given or (whole.choices[0].finish_reason == "content_filter"):
        return  # the helper raises for both
    async with served.openai.chat.completions.stream(**given) as stream:
        streamed = await stream.get_final_completion()
    for one, other in zip(streamed.choices, whole.choices, strict=True):
        assert (one.message.content or "") == (other.message.content or "")
        assert one.finish_reason == other.finish_reason
        assert len(one.message.tool_calls or ()) == len(other.message.tool_calls or ())


async def test_every_model_is_one_by_the_sdk_s_own_types(served: Served) -> None:
    async with served.http.get("/v1/models") as response:
        for model in (await response.json())["data"]:
            Model.model_validate(model, strict=True)


# Whatever a body holds

SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CONTENT = st.text(max_size=20) | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}), max_size=2
)
CALLS = st.lists(
    st.fixed_dictionaries({"id": VALUES, "function": st.fixed_dictionaries({"name": VALUES, "arguments": VALUES})}),
    max_size=2,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "user", "assistant", "tool", "function", "developer", "robot"]),
            "content": CONTENT,
        },
        optional={"tool_calls": CALLS | VALUES, "tool_call_id": VALUES, "name": VALUES},
    ),
    max_size=4,
)
KINDS = st.sampled_from(["object", "string", "array", "thing", 7])
SCHEMAS = st.fixed_dictionaries(
    {"type": KINDS}, optional={"properties": VALUES, "required": VALUES, "items": VALUES, "$ref": VALUES}
)
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["f", "g", "a b", ""]) | VALUES},
    optional={"parameters": SCHEMAS | VALUES, "description": VALUES},
)
OFFERS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["function", "custom"]), "function": FUNCTIONS}), max_size=2
)
CHOICES = st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
FORMATS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "json_object", "json_schema"])},
    optional={"json_schema": st.fixed_dictionaries({"schema": SCHEMAS}) | VALUES},
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "tools": OFFERS,
    "functions": st.lists(FUNCTIONS, max_size=2),
    "tool_choice": CHOICES,
    "function_call": CHOICES,
    "parallel_tool_calls": st.booleans(),
    "response_format": FORMATS,
    "stop": st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=5),
    "max_tokens": st.integers(-1, 10),
    "max_completion_tokens": st.integers(-1, 10),
    "n": st.integers(-1, 6),
    "reasoning_effort": st.sampled_from(["low", "none", ""]),
    "thinking": st.booleans() | st.fixed_dictionaries({"type": st.text(max_size=9)}),
    "enable_thinking": st.booleans(),
    "web_search_options": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
    "conversation_id": st.text(max_size=5),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 3),
    "temperature": VALUES,
    "x-unknown": VALUES,
}


def mostly(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of `values`, and now and then of anything else."""
    return st.sampled_from([True] * 19 + [False]).flatmap(lambda fine: values if fine else VALUES)


BODIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"model": mostly(st.just("deepseek")), "messages": mostly(MESSAGES)},
    optional={name: mostly(values) for name, values in FIELDS.items()},
)
HEARD = st.sampled_from(["Hello", CALL, '{"a": 1}', "```json\n{}\n```", "<tool_call>", "[citation:1]"])


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES, heard=st.lists(HEARD, min_size=1, max_size=3))
async def test_no_body_breaks_the_bridge_and_every_refusal_names_its_field(
    served: Served, body: dict[str, Any], heard: list[str]
) -> None:
    served.backend.script = (Opened(), *map(Text, heard), Finish())
    async with served.http.post(
        "/v1/chat/completions", data=json.dumps(body), headers={"content-type": "application/json"}
    ) as response:
        raw = await response.text()
        if response.content_type == "text/event-stream":
            assert raw.endswith("data: [DONE]\n\n") or '"json_invalid"' in raw
            return
        answer = json.loads(raw)
        assert response.status in (200, 400, 404, 502), raw
    match response.status:
        case 200:
            ChatCompletion.model_validate_json(raw, strict=True)
        case 502:
            assert answer["error"]["code"] == "json_invalid"
        case _:
            param = answer["error"]["param"]
            assert param.replace("[", ".").split(".")[0] in body


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=VALUES)
async def test_no_json_breaks_the_bridge(served: Served, body: object) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/v1/chat/completions", "/v1/completions"):
        async with served.http.post(path, data=json.dumps(body), headers=headers) as response:
            assert response.status == 400
