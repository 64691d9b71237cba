"""What a chat completion's body may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.openai.openai_request import OpenAIRequest
from bridge.api.surface import ApiCall
from bridge.chat.model_names import resolve
from bridge.chat.prompt import GO_ON, render
from bridge.chat.types import Message
from bridge.errors import RequestError, UnknownModel
from bridge.tool_calls.notation import Call, write_call, write_results, write_said
from tests.support.fake_backend import BASES

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


def parse(messages: Any = (USER,), **body: Any) -> OpenAIRequest:
    given = {"model": "deepseek", "messages": list(messages) if isinstance(messages, tuple) else messages, **body}
    return OpenAIChat().parse(ApiCall(given, "id-1", lambda name: resolve(name, BASES)))


def refused(body: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        OpenAIChat().parse(ApiCall(body, "id-1", lambda name: resolve(name, BASES)))
    return caught.value


def test_a_plain_question_becomes_a_chat() -> None:
    ask = parse()
    assert (ask.chat.id, ask.chat.model.id) == ("id-1", "deepseek")
    assert ask.chat.messages == (Message("user", "Hi"),)
    assert (ask.stream, ask.dialect.usage, ask.ignored) == (False, False, ())


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
    assert (ask.chat, ask.stream, ask.dialect.usage, ask.ignored) == (parse().chat, False, False, ())


@pytest.mark.parametrize(
    ("options", "usage"),
    [(None, False), ({}, False), ({"include_usage": None}, False), ({"include_usage": True}, True)],
)
def test_stream_options_are_taken_with_and_without_a_stream(options: Any, usage: bool) -> None:
    for stream in (True, False):
        ask = parse(stream=stream, stream_options=options)
        assert (ask.stream, ask.dialect.usage) == (stream, usage)


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
        ({"messages": [{"role": "user", "content": " \n"}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant"}, {"role": "user", "content": None}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [USER] * 10_001}, "messages"),
        ({"messages": [{}] * 10_000}, "messages[0].role"),
        ({"tools": [F] * 1001}, "tools"),
        ({"tools": [1, "x"]}, "tools[0]"),
        ({"functions": [{"name": "f", "description": "x" * 1_000_001}]}, "functions"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": "x"}}, "stream_options.include_usage"),
        ({"n": 5}, "n"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 2, "conversation_id": "c@1"}, "n"),
        ({"stop": 7}, "stop"),
        ({"stop": ["x"] * 20}, "stop"),
        ({"stop": ["a", "x" * 1001]}, "stop[1]"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "9" * 5000}, "max_tokens"),
        ({"max_tokens": float("inf")}, "max_tokens"),
        ({"reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"reasoning": 7}, "reasoning"),
        ({"reasoning": {"enabled": 7}}, "reasoning.enabled"),
        ({"chat_template_kwargs": {"thinking": 7}}, "chat_template_kwargs.thinking"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"reasoning_effort": 3}, "reasoning_effort"),
        ({"thinking": {"type": 1}}, "thinking.type"),
        ({"enable_thinking": 7}, "enable_thinking"),
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
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "parameters": "x"}]}, "tools[0].parameters"),
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
    assert asked.format.toolbox is not None
    assert "f(" in asked.format.toolbox.instructions()
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


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"web_search_options": "on"}, "web_search_options"),
        ({"response_format": "json"}, "response_format"),
    ],
)
def test_what_must_be_an_object_is_called_one(change: dict[str, Any], param: str) -> None:
    """And not a dictionary, or an instance of some class of the bridge."""
    error = refused({"model": "deepseek", "messages": [USER], **change})
    assert (error.message, error.param) == (f"{param}: Input should be an object.", param)


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(UnknownModel):
        parse(model="gpt-4o")


def test_no_refusal_repeats_what_was_sent() -> None:
    secret = "s3cr3t-prompt"
    for change in ({"messages": [{"role": secret, "content": "x"}]}, {"stream": secret}, {"messages": secret}):
        assert secret not in refused({"model": "deepseek", "messages": [USER], **change}).message


def test_too_many_stop_sequences_are_refused_with_the_limit() -> None:
    error = refused({"model": "deepseek", "messages": [USER], "stop": ["x"] * 20})
    assert "20" in error.message
    assert "16" in error.message


@pytest.mark.parametrize(
    ("given", "most"),
    [(-1, None), (0, None), (256.0, 256), ("256", 256), ("256.0", 256), (" 16 ", 16), ("-1", None), (7, 7)],
)
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_number_of_tokens_may_be_written_in_any_way_and_none_is_no_limit(field: str, given: Any, most: Any) -> None:
    assert parse(**{field: given}).format.max_tokens == most


@pytest.mark.parametrize(("given", "stop"), [([""], ()), ("", ()), (["a", ""], ("a",)), ([], ()), ("a", ("a",))])
def test_an_empty_stop_sequence_is_none(given: Any, stop: tuple[str, ...]) -> None:
    assert parse(stop=given).format.stop == stop


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
BROKEN = {"type": "image_url", "image_url": {"url": "nowhere"}}
ANSWERED = {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "tool", "content": {"temperature": 21}}, result("tool", '{"temperature": 21}')),
        ({"role": "tool", "content": {"type": "text", "text": "Rain"}}, result("tool", "Rain")),
        ({"role": "tool", "content": ["Rain", 7]}, result("tool", "Rain\n7")),
        ({"role": "tool", "content": 7}, result("tool", "7")),
        ({"role": "tool", "content": [BROKEN, {"text": "A"}]}, result("tool", "[image_url left out]\nA")),
        ({"role": "tool", "content": [{"type": "resource", "uri": "x"}]}, result("tool", "[resource left out]")),
        ({"role": "system", "content": [PICTURE, {"text": "A"}]}, "[image_url left out]\nA"),
        ({"role": "system", "content": [{"type": 'x"]\n=', "y": 1}]}, "[x____ left out]"),
    ],
)
def test_what_a_tool_or_the_system_cannot_say_is_left_out_by_name(message: dict[str, Any], text: str) -> None:
    assert parse((USER, message, USER)).chat.messages[1] == Message(message["role"], text)


def test_a_picture_that_a_tool_made_is_uploaded() -> None:
    shot = {"role": "tool", "content": [{"type": "text", "text": "Done."}, PICTURE]}
    (_, message) = parse((USER, shot)).chat.messages
    assert message.text == result("tool", "Done.")
    assert [attachment.media_type for attachment in message.attachments] == ["image/png"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "user", "content": [{"type": "input_audio"}, {"text": "A"}]}, "[input_audio left out]\nA"),
        ({"role": "user", "content": [BROKEN, {"text": "A"}]}, "[image_url left out]\nA"),
        ({"role": "user", "content": ["A", {"type": "text"}]}, "A\n[text left out]"),
        ({"role": "user", "content": {"a": 1}}, '{"a": 1}'),
        ({"role": "robot", "content": "A"}, "A"),
        ({"content": "A"}, "A"),
        ({"role": ["user"], "content": "A"}, "A"),
    ],
)
def test_what_is_wrong_in_an_old_message_does_not_end_the_session(message: dict[str, Any], text: str) -> None:
    assert parse((message, ANSWERED, USER)).chat.messages[0] == Message("user", text)
    assert refused({"model": "deepseek", "messages": [ANSWERED, message]}).status == 400


def test_thoughts_that_a_client_sends_back_are_no_part_of_the_answer() -> None:
    said = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "A"}]}
    assert parse((USER, said, USER)).chat.messages[1] == Message("assistant", "A")


def test_a_refusal_and_a_call_of_another_kind_stay_in_the_history() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "I will not."}
    call = {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]}
    result = {"role": "tool", "tool_call_id": "c", "content": "1"}
    _, refused_, _, called, told = parse((USER, refusal, USER, call, result)).chat.messages
    assert refused_ == Message("assistant", "I will not.")
    assert called == Message("assistant", write_said("", [Call("f", "x")]))
    assert told == Message("tool", write_results([("f", "1")]))


def test_what_the_beginning_of_an_answer_answers_is_not_history() -> None:
    question = {"role": "user", "content": [BROKEN, {"type": "text", "text": "A"}]}
    assert refused({"model": "deepseek", "messages": [USER, ANSWERED, question, ANSWERED]}).status == 400


@pytest.mark.parametrize("content", ["", " \n", None, []])
def test_an_empty_message_behind_a_history_is_taken(content: Any) -> None:
    messages = parse((USER, ANSWERED, {"role": "user", "content": content})).chat.messages
    assert render(messages).endswith(f"\n{GO_ON}")


@pytest.mark.parametrize("arguments", [{"city": "Rome"}, '{"city": "Rome"}'])
def test_arguments_may_be_an_object(arguments: Any) -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": arguments}}]}
    assert parse((USER, called, USER)).chat.messages[1] == Message("assistant", CALLED)


@pytest.mark.parametrize(("one", "other"), [('{"a": [1.0, -0.0]}', '{"a":[1,0]}'), ('{"a": 1e2}', '{"a": 100}')])
def test_a_whole_number_is_the_same_with_and_without_a_fraction(one: str, other: str) -> None:
    assert write_call(Call("f", one)) == write_call(Call("f", other))


def test_very_long_arguments_are_shown_as_they_are() -> None:
    assert json.loads(write_call(Call("f", "[" * 1_000_001)).splitlines()[1])["arguments"] == "[" * 1_000_001
