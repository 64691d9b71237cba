"""Tool calls by prompt: what the model is told, what is read, and what comes back from the client."""

from __future__ import annotations

import json
import time
import warnings
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.api.answer.answer_format import AnswerFormat
from bridge.chat.types import Text, Thinking
from bridge.demo.dialect import written
from bridge.tool_calls.answer_filter import ToolCall, ToolCallFilter
from bridge.tool_calls.call_reader import read_calls
from bridge.tool_calls.json_repair import Unreadable, loaded
from bridge.tool_calls.notation import Call, Tool, Toolbox, write_call, write_results, write_said
from bridge.tool_calls.parser import CallParser, Rejected
from bridge.tool_calls.python_calls import python_calls
from bridge.tool_calls.quote_repair import escape_quotes
from bridge.tool_calls.schemas.typescript import signature

WEATHER = Tool("weather", "", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
NOW = Tool("now")
BOX = Toolbox((WEATHER, NOW))
ROME = Call("weather", '{"city": "Rome"}')
BAD = '<tool_call>{"name": "fly"}</tool_call>'
WRITTEN = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def said_by(call_filter: ToolCallFilter, *pieces: str) -> list[Text | Thinking | ToolCall]:
    said = [event for piece in pieces for event in call_filter.feed(piece)]
    return [*said, *call_filter.finish(), *call_filter.release()]


# What the model is told


def test_the_instructions_show_the_notation_and_every_tool() -> None:
    told = BOX.instructions()
    assert "<tool_call>\n{" in told
    assert "weather({\n  city: string,\n})" in told
    assert "now({})" in told
    assert "just answer" in told


def test_the_choice_is_part_of_the_instructions() -> None:
    assert "must call a tool" in Toolbox((NOW,), required=True).instructions()
    assert "must call the tool now" in Toolbox((NOW,), named="now").instructions()
    assert "Only one call" in Toolbox((NOW,), parallel=False).instructions()


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({}, "f({})"),
        ({"properties": {"a": {"type": "string"}}}, "f({\n  a?: string,\n})"),
        ({"properties": {"a": {"enum": ["x", 1, None]}}, "required": ["a"]}, 'f({\n  a: "x" | 1 | null,\n})'),
        ({"properties": {"a": {"const": "x"}}}, 'f({\n  a?: "x",\n})'),
        ({"properties": {"a": {"type": ["string", "null"]}}}, "f({\n  a?: string | null,\n})"),
        ({"properties": {"a": {"type": "array", "items": {"type": "integer"}}}}, "f({\n  a?: integer[],\n})"),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, "f({\n  a?: string | null,\n})"),
        ({"properties": {"a-b": {}}}, 'f({\n  "a-b"?: any,\n})'),
        (
            {"properties": {"a": {"type": "object", "additionalProperties": {"type": "number"}}}},
            "f({\n  a?: {[key: string]: number},\n})",
        ),
        (
            {"properties": {"a": {"type": "string", "description": "An\n A.", "maxLength": 3}}},
            "f({\n  a?: string, // An A.; maxLength: 3\n})",
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"properties": {"b": {"type": "null"}}}}},
            "f({\n  a?: {\n    b?: null,\n  },\n})",
        ),
        ({"properties": {"a": {"type": "odd"}}}, 'f({\n  a?: {"type": "odd"},\n})'),
        ({"properties": {"a": {"type": []}}}, "f({\n  a?: any,\n})"),
        ({"properties": {"a": {"anyOf": [], "type": "null"}}}, "f({\n  a?: null,\n})"),
    ],
)
def test_a_schema_is_shown_as_a_type(schema: dict[str, Any], shown: str) -> None:
    assert signature("f", "", schema) == shown


def test_a_schema_that_contains_itself_is_shown_to_a_depth() -> None:
    tree = {"$ref": "#/$defs/T"}
    schema = {"properties": {"t": tree}, "$defs": {"T": {"properties": {"left": tree, "right": tree}}}}
    assert len(signature("f", "", schema)) < 5000


SELF: dict[str, Any] = {"$ref": "#/$defs/T"}
WIDE = [f"p{number}" for number in range(60)]


@pytest.mark.parametrize(
    "itself",
    [
        {"type": "array", "items": SELF},
        {"type": ["array"] * 60, "items": SELF},
        {"properties": dict.fromkeys(WIDE, SELF)},
        {"properties": {name: {**SELF, "description": "x" * 200} for name in WIDE}},
        {"properties": {name: {"type": "array", "items": SELF} for name in WIDE}},
        {"properties": {"a": {"anyOf": [SELF] * 60}}},
        {"anyOf": [*[SELF] * 60, {}]},
        {"properties": {"a": SELF, "b": SELF, "c": {"enum": WIDE}}},
        {"properties": {"a": SELF, "b": SELF}, "required": WIDE * 20},
        {"additionalProperties": {"anyOf": [SELF] * 60}, "type": "object"},
        {"$ref": "#/$defs/T"},
    ],
)
def test_no_schema_that_contains_itself_is_shown_at_a_length_beyond_its_own(itself: dict[str, Any]) -> None:
    schema = {"properties": {"t": SELF}, "$defs": {"T": itself}}
    began = time.process_time()
    shown = signature("f", "", schema)
    assert len(shown) < 8 * len(json.dumps(schema)) + 10_000
    assert time.process_time() - began < 2


def test_a_description_of_several_lines_is_a_comment_of_as_many() -> None:
    assert signature("f", "One.\n\nTwo.\n", {}) == "// One.\n//\n// Two.\nf({})"


# What is written down and read again


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_every_call_that_is_written_is_heard_again(arguments: dict[str, Any]) -> None:
    written = write_call(Call("now", json.dumps(arguments)))
    parser = CallParser(BOX)
    (call,) = [segment for segment in [*parser.feed(written), *parser.end()] if not isinstance(segment, str)]
    assert isinstance(call, Call)
    assert json.loads(call.arguments) == arguments
    assert write_call(call) == written


@pytest.mark.parametrize("text", ["&quot;", "Tom &amp; Jerry", "&lt;p&gt;", "&#38;"])
def test_entities_in_the_strings_of_json_are_text(text: str) -> None:
    arguments = {text: text}
    parser = CallParser(BOX)
    assert [*parser.feed(write_call(Call("now", json.dumps(arguments)))), *parser.end()] == [
        Call("now", json.dumps(arguments))
    ]


def test_arguments_are_written_in_one_way_however_they_came() -> None:
    assert write_call(Call("weather", '{ "city":"Rome"}')) == WRITTEN
    assert write_call(Call("weather", '{"city": "\\u0052ome"}')) == WRITTEN
    assert write_call(Call("now", "")) == '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    assert '"arguments": "not json"' in write_call(Call("now", "not json"))


def test_no_result_ends_its_own_block() -> None:
    written = write_results([("a", "x</tool_result>\n</TOOL_RESULT>y"), ("b", "z")])
    assert written.count("</tool_result>") == 2
    assert '<tool_result name="b">\nz\n</tool_result>' in written


@given(st.integers(0, 10**9), st.text(max_size=40), st.integers(), st.booleans())
def test_whatever_the_demo_model_writes_in_its_own_dialect_is_heard(seed: int, city: str, days: int, two: bool) -> None:
    calls = [{"name": "weather", "arguments": {"city": city, "days": days}}] * (1 + two)
    parser = CallParser(BOX)
    found = [*parser.feed(written(calls, Random(seed))), *parser.end()]
    heard = [json.loads(one.arguments) for one in found if isinstance(one, Call)]
    assert heard == [call["arguments"] for call in calls]


# What the client gets


def test_text_without_a_call_is_held_back_and_then_given_out() -> None:
    call_filter = ToolCallFilter(BOX, 100, "x")
    assert call_filter.feed("Hello") == []
    assert call_filter.finish() == []
    assert call_filter.release() == [Text("Hello")]


def test_text_is_held_back_no_longer_than_the_bound() -> None:
    call_filter = ToolCallFilter(BOX, 5, "x")
    assert call_filter.feed("Hello") == []
    assert call_filter.feed(" you") == [Text("Hello you")]
    assert call_filter.feed("!") == [Text("!")]


def test_without_a_bound_text_streams_at_once() -> None:
    call_filter = ToolCallFilter(BOX, 0, "x")
    assert call_filter.feed("Hello ") == [Text("Hello ")]
    assert said_by(call_filter, WRITTEN) == [ToolCall(0, "call_x0", ROME)]


def test_what_is_said_beside_a_call_is_thinking() -> None:
    said = said_by(ToolCallFilter(BOX, 100, "x"), "Let me see.\n", WRITTEN, "\nI wait.")
    assert said == [Thinking("Let me see."), ToolCall(0, "call_x0", ROME), Thinking("\nI wait.")]


def test_several_calls_are_counted_and_named() -> None:
    said = said_by(ToolCallFilter(BOX, 100, "x"), WRITTEN, "\n", WRITTEN)
    assert said == [ToolCall(0, "call_x0", ROME), ToolCall(1, "call_x1", ROME)]


def test_where_one_call_is_wanted_a_second_one_is_no_call() -> None:
    said = said_by(ToolCallFilter(Toolbox((WEATHER,), parallel=False), 100, "x"), WRITTEN, "\n", WRITTEN)
    assert said == [ToolCall(0, "call_x0", ROME), Thinking(WRITTEN)]


def test_a_call_that_cannot_be_read_is_complained_about_and_otherwise_stays_text() -> None:
    call_filter = ToolCallFilter(BOX, 1000, "x")
    bad = WRITTEN.replace("Rome", 'Ro"},')
    call_filter.feed(bad)
    call_filter.finish()
    assert "not" in (call_filter.retry_prompt() or "")
    assert call_filter.release() == [Text(bad)]


@pytest.mark.parametrize("text", ["Write `<tool_call>` before it.", f"> {BAD}", f"It is ``{BAD}``.", "a < b", "{}"])
def test_what_only_speaks_of_calls_is_not_complained_about(text: str) -> None:
    call_filter = ToolCallFilter(BOX, 1000, "x")
    call_filter.feed(text)
    call_filter.finish()
    assert call_filter.retry_prompt() is None


@pytest.mark.parametrize(
    ("box", "owed"), [(Toolbox((NOW,), required=True), "one of the tools"), (Toolbox((NOW,), named="now"), "now")]
)
def test_a_call_that_is_owed_is_asked_for(box: Toolbox, owed: str) -> None:
    call_filter = ToolCallFilter(box, 100, "x")
    call_filter.feed("Hello")
    call_filter.finish()
    assert owed in (call_filter.retry_prompt() or "")
    assert ToolCallFilter(BOX, 100, "x").retry_prompt() is None


def test_nothing_is_complained_about_once_text_is_out() -> None:
    call_filter = ToolCallFilter(Toolbox((NOW,), required=True), 3, "x")
    call_filter.feed("Hello")
    call_filter.finish()
    assert call_filter.retry_prompt() is None


@pytest.mark.parametrize(
    ("answer", "back"),
    [
        (WRITTEN, WRITTEN),
        (f"Let me see.\n\n{WRITTEN}\n", WRITTEN),
        ('```json\n{"name": "Weather", "arguments": {"city": "Rome",}}\n```', WRITTEN),
        ("Hello.", "Hello."),
        (f"{'x' * 101}\n{WRITTEN}", f"{'x' * 101}\n\n{WRITTEN}"),
    ],
)
def test_what_a_client_sends_back_is_known_beforehand(answer: str, back: str) -> None:
    assert AnswerFormat(BOX, hold=100).returned(answer) == back
    call_filter = ToolCallFilter(BOX, 100, "x")
    said = said_by(call_filter, *answer)
    text = "".join(event.text for event in said if isinstance(event, Text))
    assert write_said(text, call_filter.calls) == back


@given(
    st.lists(st.sampled_from([*'<>`{}\n :a"/', "tool_call", "```", WRITTEN, "weather", "<tool_call>", "</tool_call>"]))
)
def test_nothing_is_lost_and_no_cut_matters_whatever_the_model_writes(parts: list[str]) -> None:
    text = "".join(parts)
    whole, cut = ToolCallFilter(BOX, 0, "x"), ToolCallFilter(BOX, 0, "x")
    once, pieces = said_by(whole, text), said_by(cut, *text)
    assert whole.calls == cut.calls

    def joined(events: list[Text | Thinking | ToolCall]) -> str:
        return "".join(event.text for event in events if not isinstance(event, ToolCall))

    assert joined(once) == joined(pieces)
    if not whole.calls:
        assert joined(once) == text


def test_words_behind_an_argument_wait_for_the_end_tag_that_may_follow() -> None:
    text = '<invoke name="weather"><parameter name="city">Rome</parameter>\n```\n</invoke>\nI wait.'
    for cut in range(1, len(text)):
        parser = CallParser(BOX)
        said = [*parser.feed(text[:cut]), *parser.feed(text[cut:]), *parser.end()]
        (rejected,) = [segment for segment in said if isinstance(segment, Rejected)]
        assert "between the arguments" in rejected.why, cut


IN_CODE = '<tool_call>{"name": "now", "arguments": {"x": "\n```\n```\n<tool_call>{"name": "now"\n"}}</tool_call>\n'
IN_VALUES = '<invoke name="foo">\n<parameter name="city">'


@pytest.mark.parametrize("text", [f"```\n{IN_CODE * 1_600}x", IN_VALUES * 8_000 + "</parameter>" * 8_000])
@pytest.mark.slow
def test_calls_within_calls_are_read_in_a_time_that_grows_with_the_text_alone(text: str) -> None:
    parser = CallParser(BOX)
    began = time.process_time()
    segments = [*parser.feed(text), *parser.end()]
    assert time.process_time() - began < 12
    assert "".join(segment for segment in segments if isinstance(segment, str)) == text


# Repair


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "say "hi" now"}', {"a": 'say "hi" now'}),
        ('{"a": "x = {"b": 1}"}', {"a": 'x = {"b": 1}'}),
        ('{"a": ["x "y" z", "w"]}', {"a": ['x "y" z', "w"]}),
        ('{"a": "f("x", "y")", "b": 1}', {"a": 'f("x", "y")', "b": 1}),
        ('{"a": "ends with a newline\n"}', {"a": "ends with a newline\n"}),
        ('{"a": "b",}', {"a": "b"}),
    ],
)
def test_quotes_that_were_not_escaped_are_found(text: str, value: object) -> None:
    assert loaded(text) == value


@example({"a": "b", '"': "c"})
@given(JSON)
def test_valid_json_is_left_as_it_is(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert escape_quotes(text) == text


@pytest.mark.parametrize("text", ["", "weather", '{"a": "b', '{"a" "b" "c"', "[1, 2"])
def test_what_is_not_certain_is_not_repaired(text: str) -> None:
    with pytest.raises(Unreadable):
        loaded(text)


@pytest.mark.parametrize(
    "text",
    [
        "weather(city=1if 1 else 2)",
        "weather(city=0x1for x in y)",
        "weather(city='\\d')",
        "weather(city='\\777')",
        "weather(city=b'\\ ')",
        'weather(city="""\\d""", x=1or 2)',
        "weather(" + "[" * 5_000,
        "weather(city=" + "1+" * 5_000 + "1)",
        "weather(city='\0')",
        "weather(city='\ud800')",
        "weather(**{'city': 'Rome'})",
        "weather('Rome')",
        "weather(city=open('/etc/passwd'))",
        "[weather(city='Rome'), 1]",
    ],
)
def test_a_program_that_is_no_plain_call_is_unclear_and_warns_nobody(text: str) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(Unreadable):
            list(python_calls(text))
    assert warned == []


def test_an_unclear_call_says_what_is_wrong() -> None:
    for body, word in (
        ('{"name": "fly"}', "fly"),
        ('{"name": "weather", "arguments": {}}', "city"),
        ('{"name": "weather", "arguments": [1]}', "object"),
        ("{}", "name"),
        ("[]", "no call"),
        ('{"x":' * 900 + "{}" + "}" * 900, "nested too deeply"),
    ):
        with pytest.raises(Unreadable, match=word):
            read_calls(body, BOX.tools)


def test_a_schema_that_is_none_asks_for_nothing() -> None:
    tool = Tool("f", "", {"type": "thing", "properties": 7})
    assert read_calls('{"name": "f", "arguments": {"a": 1}}', (tool,)) == [Call("f", '{"a": 1}')]
