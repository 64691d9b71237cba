"""A path finds what it names in any document, and nothing in one of another shape; it never raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.conditions import Condition, When, holds
from bridge.sites.site_file.json_paths import JsonPath

DOCUMENT = {
    "messages": [{"content": "one"}, {"content": "two"}],
    "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}],
    "draft": '{"prompt": "rain", "list": ["{\\"deep\\": 1}"]}',
    "response.created": {"chat_id": "c1"},
    "data": {"7001": {"status": 50}},
    "null": None,
    "flag": True,
    "output": [[], [["append", [1, "content"], " w1"], ["replace", [], "x"]]],
}
VARIABLES = {"$event": "CHUNK_DELTA", "$job": 7001, "$query": {"chat_id": "q1"}, "$path": ["v1", "session", "s7"]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("messages[0].content", ["one"]),
        ("messages[-1].content", ["two"]),
        ("messages[2].content", []),
        ("messages[*].content", ["one", "two"]),
        ("messages.1.content", ["two"]),
        ("messages[-3].content", []),
        ("draft|json.list[-1]|json.deep", [1]),
        ("content[type=text].text", ["a", "b"]),
        ("content[type!=text].type", ["image"]),
        ("draft|json.prompt", ["rain"]),
        ("draft|json.list[0]|json.deep", [1]),
        ("'response.created'.chat_id", ["c1"]),
        ("data.{job}.status", [50]),
        ("data.{other}.status", []),
        ("null", []),
        ("flag.x", []),
        ("output[1][0=append][2]", [" w1"]),
        ("$event", ["CHUNK_DELTA"]),
        ("$query.chat_id", ["q1"]),
        ("$path.2", ["s7"]),
        ("$status", []),
    ],
)
def test_a_path_finds_what_it_names(path: str, found: list[Any]) -> None:
    assert JsonPath(path).values(DOCUMENT, VARIABLES) == found
    assert JsonPath(path).first(DOCUMENT, VARIABLES) == (found[0] if found else None)


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "a[", "a[]", "a b", "a|jsonx", "a'b'", "a[-]", "a[b]", "é é"])
def test_what_is_no_path_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        JsonPath(text)


PATHS = [JsonPath(path) for path in ("a.b[*].c", "[0][1=x]", "a[b=c].d|json.e", "a.{job}[-1]", "a|json[*]", "$event.a")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text('abcdex\ud800"{}[]'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, JSON)
def test_no_document_makes_a_path_or_a_condition_raise(document: Any, variable: Any) -> None:
    for path in PATHS:
        values = path.values(document, {"$job": variable, "$event": variable})
        assert path.first(document, {"$job": variable, "$event": variable}) is (values[0] if values else None)
    every = Condition(is_in=("a", 1), exists=True, matches="a+", is_not=2, at_least=1)
    holds({"a": every, "a.b[*].c": every, "b": "x"}, document)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "nul", '{"a":1}x', "\x00", ""])
def test_what_cannot_be_read_as_json_is_nothing(text: str) -> None:
    assert parse_json(text) is None


def test_halves_of_surrogate_pairs_are_replaced_in_keys_and_values() -> None:
    assert parse_json(r'{"\ud83d": "\ud83d\ude00 \ude00"}') == {"�": "😀 �"}


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        ({}, True),
        ({"flag": True}, True),
        ({"flag": 1}, False),
        ({"flag": Condition(exists=True)}, True),
        ({"null": Condition(exists=False)}, True),
        ({"null": Condition(is_not="x")}, True),
        ({"flag": Condition(is_not=True)}, False),
        ({"messages[*].content": "two"}, True),
        ({"messages[*].content": Condition(is_not="two")}, False),
        ({"messages[*].content": Condition(is_in=("two", 3))}, True),
        ({"draft": Condition(matches="pro.pt")}, True),
        ({"draft": Condition(matches="snow")}, False),
        ({"data.7001.status": Condition(at_least=50)}, True),
        ({"data.7001.status": Condition(at_least=50.5)}, False),
        ({"flag": Condition(at_least=0)}, False),
        ({"flag": True, "null": "x"}, False),
        ({"flag": True, "data.7001.status": 50, "content[0].type": "text"}, True),
    ],
)
def test_conditions_hold_where_all_of_them_do(when: When, is_met: bool) -> None:
    assert holds(when, DOCUMENT) is is_met


def test_a_document_with_half_a_surrogate_pair_in_its_text_is_read() -> None:
    assert parse_json('{"a": "\ud800"}') == {"a": "\ufffd"}
    assert parse_json("\ud800") is None
