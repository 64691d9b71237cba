"""JSON out of what a model writes when it is asked for JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.json_repair import Unreadable
from bridge.tool_calls.schemas.coercion import fitted, misfit

ANY = JsonForm()
PERSON = JsonForm(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tags": {"type": "array"}},
        "required": ["name"],
        "additionalProperties": False,
    }
)
LIST = JsonForm({"type": "array", "items": {"type": "integer"}})

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"name": "Ada"}', {"name": "Ada"}),
        (' \n{"name": "Ada"}\n', {"name": "Ada"}),
        ('```json\n{"name": "Ada"}\n```', {"name": "Ada"}),
        ('Sure! Here it is:\n\n```json\n{"name": "Ada"}\n```\n\nAnything else?', {"name": "Ada"}),
        ('Sure: {"name": "Ada"} is it.', {"name": "Ada"}),
        ('Of the form\n```json\n{"name": 1, "x": 2}\n```\nit is\n```json\n{"name": "Ada"}\n```', {"name": "Ada"}),
        ('{"name": "Ada",}', {"name": "Ada"}),
        ('{"name": "Ada "the first" L."}', {"name": 'Ada "the first" L.'}),
        ('{"name": "two\nlines"}', {"name": "two\nlines"}),
        ("{'name': 'Ada'}", {"name": "Ada"}),
        ('{"name": "Ada", "age": "36"}', {"name": "Ada", "age": 36}),
        ('{"name": "Ada", "age": 36.0}', {"name": "Ada", "age": 36}),
        ('{"Name": "Ada"}', {"name": "Ada"}),
        ('{"name": "Ada"', {"name": "Ada"}),
    ],
)
def test_json_is_found_and_repaired_where_the_meaning_is_certain(answer: str, value: object) -> None:
    assert json.loads(PERSON.read(answer)) == value


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        "{}",
        '{"age": 3}',
        '{"name": 3, "x": 1}',
        '["Ada"]',
        '{"name": "Ad',
        '{"name": "Ada", "age": "old"}',
    ],
)
def test_what_does_not_fit_is_never_given_out(answer: str) -> None:
    with pytest.raises(Unreadable):
        PERSON.read(answer)


def test_valid_json_is_given_out_as_it_was_written() -> None:
    written = '{\n  "a": 1.50,\n  "b": "\\u00e4"\n}'
    assert ANY.read(written) == written
    assert ANY.read(f"```json\n{written}\n```") == written


def test_what_only_python_takes_for_json_is_never_given_out() -> None:
    for answer in ('{"a": NaN}', '{"a": Infinity}', '{"a": [-Infinity]}', '{"a": 1e999}', '{"a": 1e999,}'):
        try:
            given_out = ANY.read(answer)
        except Unreadable:
            continue
        json.loads(given_out, parse_constant=pytest.fail)


def test_a_schema_may_ask_for_something_else_than_an_object() -> None:
    assert LIST.read("[1, 2]") == "[1, 2]"
    assert "JSON value" in LIST.instructions()
    with pytest.raises(Unreadable):
        LIST.read('["a"]')
    with pytest.raises(Unreadable, match="object"):
        ANY.read("[1, 2]")


def test_the_reason_names_what_is_wrong() -> None:
    with pytest.raises(Unreadable, match='"name" is a required property'):
        PERSON.read('{"age": 3}')


@given(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.sampled_from(["{}", "```json\n{}\n```", "So:\n\n{}\n"])
)
def test_every_object_comes_through_whole(value: dict[str, Any], around: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if "```" not in text:
        assert json.loads(ANY.read(around.replace("{}", text))) == value


@given(VALUES, st.dictionaries(st.sampled_from(["type", "properties", "items", "$ref", "enum"]), VALUES, max_size=3))
def test_no_schema_breaks_the_check(value: object, schema: dict[str, Any]) -> None:
    misfit(value, schema)
    fitted(value, schema)


@pytest.mark.parametrize(
    ("value", "schema", "made"),
    [
        ("5", {"type": "integer"}, 5),
        ("5", {"type": "string"}, "5"),
        ("5", {"type": ["string", "integer"]}, "5"),
        ("5", {}, "5"),
        ("x", {"type": "integer"}, "x"),
        ("True", {"type": "boolean"}, True),
        ("none", {"type": ["integer", "null"]}, None),
        (5, {"type": "string"}, "5"),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ('["a"]', {"type": "array"}, ["a"]),
        (5.0, {"type": "integer"}, 5),
        (5.5, {"type": "integer"}, 5.5),
        ({"A": 1, "a": 2}, {"properties": {"a": {}}}, {"A": 1, "a": 2}),
        ({"A": 1}, {"properties": {"a": {}, "A b": {}}}, {"a": 1}),
        ({"A": 1}, {"properties": {"a": {}, "A ": {}, "aa": {}}}, {"a": 1}),
        ([{"a": "1"}], {"items": {"properties": {"a": {"type": "number"}}}}, [{"a": 1}]),
    ],
)
def test_a_value_is_made_to_fit_where_no_doubt_is_possible(value: Any, schema: dict[str, Any], made: object) -> None:
    found = fitted(value, schema)
    assert (found, type(found)) == (made, type(made))
