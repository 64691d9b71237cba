"""Every response fits the SDK's own types, strictly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking, Withdrawn
from tests.api.test_api import frames
from tests.support.fake_backend import HELLO, Served, Step, serving
from tests.support.openai_schema import check, checked

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
async def test_every_answer_has_all_that_strict_clients_look_for(
    served: Served, body: dict[str, Any], script: tuple[Step, ...]
) -> None:
    served.backend.script = script
    async with served.post(**body) as response:
        assert response.status == 200
        answer = await response.json()
    assert answer["model"] == body.get("model", "deepseek")
    for choice in answer["choices"]:
        assert {"index", "finish_reason", "logprobs", "message"} <= choice.keys()
        assert {"role", "content", "refusal"} <= choice["message"].keys()


@pytest.mark.parametrize(("body", "script"), SHOWN)
async def test_every_stream_begins_with_a_role_and_ends_with_a_reason(
    served: Served, body: dict[str, Any], script: tuple[Step, ...]
) -> None:
    served.backend.script = script
    async with served.post(stream=True, **body) as response:
        *chunks, done = frames(await response.read())
    assert done == "[DONE]"
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


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/", {"object": "list", "data": [{"id": "a", "object": "model", "created": 1, "owned_by": None}]}),
        ("/v1/models/a", {"id": "a", "object": "model", "created": "1", "owned_by": "b"}),
        ("/v1/chat/completions", {"id": "a", "object": "chat.completion", "created": 1, "choices": []}),
        ("/v1/completions", {"error": {"message": "No.", "type": "server_error", "code": None}}),
        ("/v1/nothing", {"message": "No.", "type": "server_error", "code": None, "param": 7}),
    ],
)
async def test_what_is_none_of_the_sdk_s_types_fails_the_test_that_reads_it(path: str, body: dict[str, Any]) -> None:
    async def wrong(_: web.Request) -> web.Response:
        return web.json_response(body)

    app = web.Application()
    app.router.add_get(path, wrong)
    async with (
        TestServer(app) as server,
        ClientSession(trace_configs=[checked()]) as http,
        http.get(server.make_url(path)) as response,
    ):
        with pytest.raises((ValidationError, AssertionError)):
            await response.read()


def test_a_chunk_that_is_none_of_the_sdk_s_types_fails_the_test_that_reads_it() -> None:
    with pytest.raises(ValidationError):
        check("/v1/chat/completions", b'data: {"id": "a", "choices": []}\n\ndata: [DONE]\n\n')
