"""What a chat completion's body may hold."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.api.base import Ask
from bridge.api.openai_chat import OpenAIChat
from bridge.chat import Message
from bridge.errors import RequestError, UnknownModel
from bridge.models import resolve
from tests.fake_backend import BASES

USER = {"role": "user", "content": "Hi"}
CALL: dict[str, Any] = {
    "id": "c1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
}
CALLED = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'


def result(name: str, text: str) -> str:
    return f'<tool_result name="{name}">\n{text}\n</tool_result>'


F = {"type": "function", "function": {"name": "f"}}
ALLOWED = "tool_choice.allowed_tools"


def allowed(names: list[Any], mode: str = "auto") -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def parse(messages: Any = (USER,), **body: Any) -> Ask:
    given = {"model": "deepseek", "messages": list(messages) if isinstance(messages, tuple) else messages, **body}
    return OpenAIChat().parse(given, "id-1", lambda name: resolve(name, BASES))


def refused(body: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        OpenAIChat().parse(body, "id-1", lambda name: resolve(name, BASES))
    return caught.value


def test_a_plain_question_becomes_a_chat() -> None:
    ask = parse()
    assert (ask.chat.id, ask.chat.model.id) == ("id-1", "deepseek")
    assert ask.chat.messages == (Message("user", "Hi"),)
    assert (ask.stream, ask.usage, ask.ignored) == (False, False, ())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "developer", "content": "Be terse."}, Message("system", "Be terse.")),
        ({"role": "user", "content": [{"type": "text", "text": "A"}]}, Message("user", "A")),
        ({"role": "user", "content": [{"type": "text", "text": "A"}, {"text": "B"}]}, Message("user", "A\nB")),
        ({"role": "system", "content": [{"type": "text", "text": "A"}]}, Message("system", "A")),
        ({"role": "assistant", "content": None}, Message("assistant", "")),
        ({"role": "assistant", "content": ""}, Message("assistant", "")),
        ({"role": "assistant"}, Message("assistant", "")),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, Message("assistant", "No.")),
        (
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            Message("assistant", CALLED),
        ),
        (
            {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, {"type": "custom"}]},
            Message("assistant", f"Let me see.\n{CALLED}"),
        ),
        ({"role": "assistant", "content": "A", "tool_calls": None, "refusal": None}, Message("assistant", "A")),
        ({"role": "assistant", "content": "So [[1]](https://a.b/?%28)."}, Message("assistant", "So [citation:1].")),
        ({"role": "user", "content": "So [[1]](https://a.b/)."}, Message("user", "So [[1]](https://a.b/).")),
        (
            {"role": "assistant", "content": None, "function_call": CALL["function"]},
            Message("assistant", CALLED),
        ),
        ({"role": "tool", "tool_call_id": "c1", "content": "Rain"}, Message("tool", result("tool", "Rain"))),
        ({"role": "tool", "content": [{"type": "text", "text": "Rain"}]}, Message("tool", result("tool", "Rain"))),
        ({"role": "tool", "content": ""}, Message("tool", result("tool", "(no output)"))),
        ({"role": "function", "name": "weather", "content": "Rain"}, Message("tool", result("weather", "Rain"))),
        ({"role": "user", "content": "A", "name": "bob", "x": [1]}, Message("user", "A")),
    ],
)
def test_every_message_that_real_clients_send_is_taken(message: dict[str, Any], expected: Message) -> None:
    assert parse((message, USER)).chat.messages == (expected, Message("user", "Hi"))


def test_fields_without_effect_are_taken_and_named() -> None:
    ask = parse(
        temperature=0,
        max_completion_tokens=16,
        response_format={"type": "text"},
        modalities=["text"],
        n=1,
        logprobs=False,
        top_logprobs=0,
        metadata={},
        seed=None,
        store=False,
        anything={"of": "mine"},
    )
    assert ask.ignored == ("temperature", "store", "anything")


def test_names_that_are_no_names_are_not_named_and_many_are_cut() -> None:
    assert parse(**{"a b": 1, "x\r\ny": 1, "z" * 65: 1, "": 1}).ignored == ()
    assert len(parse(**{f"x{number}": 1 for number in range(1000)}).ignored) == 20


def test_explicit_nulls_are_as_good_as_absence() -> None:
    names = ("stream", "stream_options", "n", "logprobs", "top_logprobs", "response_format", "tool_choice", "tools")
    others = ("temperature", "top_p", "max_completion_tokens", "presence_penalty", "seed", "stop", "modalities")
    ask = parse(**dict.fromkeys(names + others))
    assert (ask.chat, ask.stream, ask.usage, ask.ignored) == (parse().chat, False, False, ())


@pytest.mark.parametrize(
    ("options", "usage"),
    [(None, False), ({}, False), ({"include_usage": None}, False), ({"include_usage": True}, True)],
)
def test_stream_options_are_taken_with_and_without_a_stream(options: Any, usage: bool) -> None:
    for stream in (True, False):
        ask = parse(stream=stream, stream_options=options)
        assert (ask.stream, ask.usage) == (stream, usage)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [USER, {"content": "Hi"}]}, "messages[1].role"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"messages": [USER, {"role": "user", "content": {"type": "text"}}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": ["x"], "text": "A"}]}]}, "messages[0].content[0]"),
        ({"messages": [USER, {"role": "user", "content": " \n"}]}, "messages[1].content"),
        ({"messages": [USER, {"role": "user", "content": None}]}, "messages[1].content"),
        ({"messages": [USER, {"role": "user", "content": []}]}, "messages[1].content"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": "x"}}, "stream_options.include_usage"),
        ({"n": 5}, "n"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 2, "conversation_id": "c@1"}, "n"),
        ({"stop": 7}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop[1]"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"thinking": {"type": 1}}, "thinking.type"),
        ({"enable_thinking": "yes"}, "enable_thinking"),
        ({"web_search_options": True}, "web_search_options"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": ["x"]}}},
            "response_format.json_schema.schema",
        ),
        ({"tools": "f"}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"functions": [{}]}, "functions[0].name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"tool_choice": {"type": ["x"]}}, "tool_choice"),
        ({"tools": [F], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
        ({"tools": [F], "tool_choice": {"type": "custom", "name": "f"}}, "tool_choice"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        ({"tools": [F], "tool_choice": {"type": "allowed_tools", "allowed_tools": 1}}, f"{ALLOWED}.tools"),
        ({"tools": [F], "tool_choice": allowed(["f"], "always")}, f"{ALLOWED}.mode"),
        ({"tools": [F], "tool_choice": allowed(["f", "g"])}, f"{ALLOWED}.tools[1]"),
        ({"tools": [F], "tool_choice": allowed([7])}, f"{ALLOWED}.tools[0]"),
        ({"tools": [F], "tool_choice": allowed([], "required")}, "tool_choice"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_name_of_the_field(change: dict[str, Any], param: str) -> None:
    error = refused({"model": "deepseek", "messages": [USER], **change})
    assert (error.status, error.param) == (400, param)
    assert error.message


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "thing"},
        {"type": "object", "properties": {"a": {"type": "number", "minimum": 0, "exclusiveMinimum": True}}},
        {"type": "object", "properties": {"a": {"type": "any", "required": True, "enum": 5}}},
        {"type": "object", "properties": [], "required": None},
        {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}]}}},
        {"$ref": "https://example.com/schema.json", "pattern": "(("},
        [],
        None,
    ],
)
def test_an_odd_schema_of_a_tool_or_an_answer_refuses_no_request(parameters: Any) -> None:
    asked = parse(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])
    assert asked.form.toolbox is not None
    assert "f(" in asked.form.toolbox.instructions()
    parse(functions=[{"name": "f", "parameters": parameters}])
    parse(response_format={"type": "json_schema", "json_schema": {"schema": parameters or {}}})


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {"model": "deepseek", "messages": [USER]}
    del body[missing]
    assert refused(body).param == missing


@pytest.mark.parametrize("body", [None, [], "Hi", 7, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert refused(body).param is None


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(UnknownModel):
        parse(model="gpt-4o")


def test_no_refusal_repeats_what_was_sent() -> None:
    secret = "s3cr3t-prompt"
    for change in ({"messages": [{"role": secret, "content": "x"}]}, {"stream": secret}, {"messages": secret}):
        assert secret not in refused({"model": "deepseek", "messages": [USER], **change}).message
