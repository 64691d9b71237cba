"""A client's schema is foreign text: it costs little, fetches nothing, and what of it is odd asks for nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.answer_runner import AnswerRunner
from bridge.chat.types import ChatRequest, Finish, Message, Model, Text
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.json_repair import Unreadable, loaded
from bridge.tool_calls.notation import Tool, Toolbox
from bridge.tool_calls.schemas.coercion import fitted, misfit, typed
from tests.support.fake_backend import FakeBackend

MOMENT = 2.0
"""Seconds of the processor: far more than any check takes, and far less than one that does not end."""
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abAB"), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = (
    *("type", "properties", "items", "$ref", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "then", "else"),
    *("pattern", "patternProperties", "required", "additionalProperties", "minimum", "exclusiveMinimum", "multipleOf"),
    *("maxLength", "uniqueItems", "contains", "prefixItems", "additionalItems", "nullable", "$defs", "definitions"),
    *("dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$id", "$schema"),
    *("$dynamicRef", "$anchor", "format", "description", "default", "minItems", "maxContains"),
)
ODD = st.recursive(
    VALUES | st.sampled_from(["#", "#/$defs/a", "#/properties/a", "http://127.0.0.1:1/x", "string", "any", "((", "^a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(st.sampled_from(KEYWORDS), ODD, max_size=5)


# Work


def doubled(levels: int, last: dict[str, Any]) -> dict[str, Any]:
    names = {f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**names, f"a{levels}": last}}


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


TWICE = {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"a": {"allOf": [{"$ref": "#/$defs/n"}] * 2}}}}}
OBJECTS = [{"a": number} for number in range(5_000)]
LOOPS = {"$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}}, "allOf": [{"$dynamicRef": "#n"}] * 2}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 40 + "!"),
        ({"pattern": r"^(a|aa)+\1$"}, "a" * 400 + "!"),
        ({"pattern": r"(?=(a+)+!)x"}, "a" * 50_000),
        ({"pattern": "((((a{99}){99}){99}){99}){99}"}, "a"),
        (
            {"allOf": [{"pattern": r"(\p{L}?|\p{N}?){20}(\p{L}\p{N}){20}!" + str(one)} for one in range(300)]},
            "a1" * 9_000,
        ),
        ({"patternProperties": {"^(a+)+$": False}}, {"a" * 40 + "!": 1}),
        (doubled(60, {"type": "integer"}), "x"),
        ({"anyOf": [{"not": doubled(60, {"type": "integer"})}]}, "x"),
        (TWICE, nested(60)),
        (LOOPS, nested(60)),
        ({"$ref": "#"}, 1),
        ({"properties": {"a": {"$ref": "#"}}}, nested(400)),
        ({"items": {"enum": OBJECTS}}, OBJECTS),
        ({"uniqueItems": True}, OBJECTS),
        ({"uniqueItems": True}, [[[]]] * 30_000),
        ({"anyOf": [{"required": [f"n{one}" for one in range(2_000)]}]}, {"a": "x" * 500_000}),
        ({"anyOf": [{"properties": {"a": {"const": one}}} for one in range(4_000)]}, [{"a": -1}] * 4_000),
        ({"items": {"anyOf": [{"properties": {"a": {"const": one}}} for one in range(4_000)]}}, OBJECTS),
        ({"$defs": {f"a{one}": {"$ref": f"#/$defs/a{one + 1}"} for one in range(30_000)}, "$ref": "#/$defs/a0"}, 1),
        (json.loads('{"not":' * 300 + "{}" + "}" * 300), 1),
        (json.loads('{"items":' * 300 + "{}" + "}" * 300), json.loads("[" * 300 + "]" * 300)),
        (
            {"allOf": [{"properties": {f"p{one}": {}}} for one in range(300)], "unevaluatedProperties": False},
            OBJECTS[0],
        ),
    ],
    ids=lambda given: json.dumps(given)[:60],
)
@pytest.mark.slow
def test_no_schema_costs_much(schema: dict[str, Any], value: Any) -> None:
    begun = time.thread_time()
    misfit(value, schema)
    fitted(value, schema)
    assert time.thread_time() - begun < MOMENT


@given(SCHEMAS, VALUES)
def test_no_schema_breaks_anything(schema: dict[str, Any], value: Any) -> None:
    misfit(value, schema)
    fitted(value, schema)
    typed({"a": "1", "b": "x"}, {"a": False, "b": False}, schema)
    Toolbox((Tool("f", "", schema),)).instructions()
    JsonForm(schema).instructions()


@given(SCHEMAS, VALUES)
def test_what_fits_a_schema_is_never_made_to_misfit(schema: dict[str, Any], value: Any) -> None:
    if misfit(value, schema) is None:
        assert misfit(fitted(value, schema), schema) is None


class Watched(dict[str, Any]):
    """A schema that knows by which threads its rules were read; the names of the properties are no rule."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        self.threads: set[int] = set()

    def get(self, key: str, default: Any = None) -> Any:
        if key != "properties":
            self.threads.add(threading.get_ident())
        return super().get(key, default)


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n\nDone.']
)
async def test_answers_are_held_against_schemas_off_the_event_loop(text: str) -> None:
    reasons: list[str] = []

    async def emit(_: int, events: Sequence[AnswerEvent]) -> None:
        reasons.extend(event.reason for event in events if isinstance(event, AnswerEnd))

    schema = Watched({"type": "object"})
    tools = Toolbox((Tool("f", "", schema),))
    form = AnswerFormat(json=JsonForm(schema)) if text.startswith("{") else AnswerFormat(tools)
    request = ChatRequest("id", Model("m"), (Message("user", "Hi"),))
    await AnswerRunner(FakeBackend((Text(text), Finish()))).run(request, form, 1, emit)
    assert reasons == ["stop" if text.startswith("{") else "tool_calls"]
    assert schema.threads
    assert threading.get_ident() not in schema.threads


# Patterns


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        (r"^\p{L}+$", "Zoë", "a1"),
        (r"^\p{L}{1,50}$", "Zoë", "a1"),
        (r"^(?<year>\d{4})-\d\d$", "2024-01", "24-01"),
        (r"^\d+$", "12", "x"),
        (r"^(?=.*\d)(?=.*[a-z]).{4,}$", "abc1", "abcd"),
        (r"^(a)\1$", "aa", "ab"),
        (r"\u{1F600}", "😀", "x"),
        (r"^[\w\-\.\/]+$", "a/b-c.d", "a b"),
    ],
)
def test_patterns_are_understood_as_ecma_writes_them(pattern: str, fits: str, fails: str) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}
    assert misfit({"a": fits}, schema) is None
    assert "does not match" in str(misfit({"a": fails}, schema))


@pytest.mark.parametrize("pattern", ["((", "[z-a]", "a{99999999}", "\ud800", 7, None])
def test_a_pattern_that_cannot_be_judged_is_no_objection_and_the_rest_still_counts(pattern: object) -> None:
    schema = {"properties": {"a": {"pattern": pattern, "maxLength": 3}, "b": {"type": "integer"}}}
    assert misfit({"a": "x", "b": 1}, schema) is None
    assert "$.a" in str(misfit({"a": "xxxx", "b": 1}, schema))
    assert "$.b" in str(misfit({"a": "x", "b": "y"}, schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"pattern": "(("}},
        {"oneOf": [{"pattern": "(("}, {"type": "string"}]},
        {"if": {"pattern": "(("}, "then": False},
        {"not": {"$ref": "http://127.0.0.1:1/x"}},
        {"not": {"type": "thing"}},
        {"contains": {"pattern": "(("}, "maxContains": 0},
    ],
)
def test_what_cannot_be_judged_is_no_objection_where_the_schema_turns_it_around(schema: dict[str, Any]) -> None:
    assert misfit("x", schema) is None
    assert misfit(["x"], schema) is None


def test_names_that_no_pattern_can_judge_are_no_objection() -> None:
    assert misfit({"x": 1}, {"patternProperties": {"((": {}}, "additionalProperties": False}) is None


# What the model is told


@pytest.mark.parametrize(
    ("value", "schema", "told"),
    [
        ("xxx", {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}]}, '$.a: "xxx" is longer'),
        ("xxx", {"anyOf": [{"maxLength": 2}, {"pattern": "^y"}]}, '$.a: "xxx" is not valid under any of'),
        (True, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "$.a: true is not valid under any of"),
        ({"long": 1}, {"propertyNames": {"maxLength": 2}}, '$.a: "long" is longer'),
        ("\ud83d", {"maxLength": 1}, None),
        ("\ud83d\ud83d", {"maxLength": 1}, '$.a: "??" is longer'),
    ],
)
def test_what_does_not_fit_is_named_by_its_place_and_by_what_is_nearest(
    value: Any, schema: dict[str, Any], told: str | None
) -> None:
    found = misfit({"a": value}, {"properties": {"a": schema}})
    assert found is None if told is None else str(found).startswith(told)


# References


@contextmanager
def counted(document: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve a document on loopback; yield its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "application/schema+json")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_no_reference_is_ever_fetched(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"type": "integer"}')
    with counted(b'{"type": "integer"}') as (site, asked):
        places = (f"{site}/x", f"{site}/x#/a", site.replace("http", "https"), (tmp_path / "x.json").as_uri(), "x.json")
        for place in (*places, "//127.0.0.1/x", "", "#nowhere", "#/no/where", "urn:x", "%", "http://[", "#/$defs/a/~"):
            for base in ({}, {"$id": f"{site}/base.json"}, {"$schema": f"{site}/draft"}, {"id": f"{site}/"}):
                schema = {**base, "properties": {"a": {"$ref": place}, "b": {"type": "integer"}}}
                for odd in (schema, {**base, "allOf": [schema, {"$dynamicRef": place}, {"$recursiveRef": place}]}):
                    assert place == "" or misfit({"a": "x", "b": 1}, odd) is None
                    assert "$.b" in str(misfit({"b": "y"}, odd))
                    fitted({"a": "5"}, odd)
        assert asked == []


@pytest.mark.parametrize(
    ("schema", "is_fine"),
    [
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}, False),
        ({"properties": {"a": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"type": "integer"}}}, False),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "integer"}}}, False),
        ({"$id": "urn:x", "properties": {"a": {"$ref": "urn:x#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}, False),
        ({"properties": {"a": {"$ref": "#/$defs/a~1b%25"}}, "$defs": {"a/b%": {"type": "integer"}}}, False),
        ({"properties": {"a": {"$ref": "#/anyOf/1"}}, "anyOf": [{}, {"type": "integer"}]}, False),
        ({"properties": {"a": {"$ref": "#/anyOf/2"}}, "anyOf": [{}, {"type": "integer"}]}, True),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}}, True),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"$ref": "#/$defs/n"}}}, True),
    ],
)
def test_references_inside_of_the_schema_count(schema: dict[str, Any], is_fine: bool) -> None:
    assert (misfit({"a": "x"}, schema) is None) is is_fine


# Odd schemas


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 0),
        ({"type": "number", "maximum": 9, "exclusiveMaximum": False}, 10),
        ({"type": "any", "maxLength": 2}, "xxx"),
        ({"type": "INTEGER"}, "x"),
        ({"type": ["integer", "null", "Integer"]}, "x"),
        ({"type": "integer", "required": True}, "x"),
        ({"type": "object", "properties": [], "maxProperties": 0}, {"a": 1}),
        ({"type": "array", "items": [{"type": "integer"}]}, ["x"]),
        ({"type": "array", "items": [{}], "additionalItems": False}, [1, 2]),
        ({"type": "string", "enum": [], "minLength": "x", "maxLength": 1}, "xx"),
        ({"type": "string", "nullable": True}, 5.5),
        ({"allOf": [], "anyOf": {}, "type": "integer"}, "x"),
        ({"$schema": "http://json-schema.org/draft-03/schema#", "extends": {}, "type": "integer"}, "x"),
    ],
)
def test_of_an_odd_schema_counts_what_is_understood(schema: dict[str, Any], wrong: Any) -> None:
    assert misfit({"a": wrong}, {"type": "object", "properties": {"a": schema}}) is not None


@pytest.mark.parametrize(
    ("schema", "fine"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 1),
        ({"type": "any"}, "x"),
        ({"properties": []}, {"a": 1}),
        ({"properties": ["a"]}, {"a": 1}),
        ({"items": [{"type": "integer"}]}, [1, "x"]),
        ({"type": "string", "nullable": True}, None),
        ({"type": {}}, "x"),
        ({"format": "email"}, "x"),
        ({"minimum": 10**400, "multipleOf": 10**400, "maximum": -(10**400)}, 1),
        ({"dependentRequired": {"b": ["c", "c"]}}, {}),
    ],
)
def test_of_an_odd_schema_nothing_else_is_asked(schema: dict[str, Any], fine: Any) -> None:
    assert misfit({"a": fine}, {"type": "object", "properties": {"a": schema}}) is None


# Types


def optional(kind: str, how: str) -> dict[str, Any]:
    return {how: [{"type": kind}, {"type": "null"}]}


SHAPES = {
    "oneOf": [
        {"properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["kind", "r"]},
        {"properties": {"kind": {"const": "box"}, "w": {"type": "integer"}}, "required": ["kind", "w"]},
    ]
}
TREE = {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"n": {"type": "integer"}, "t": {"$ref": "#/$defs/t"}}}}}


@pytest.mark.parametrize(
    ("value", "schema", "made"),
    [
        ("15", optional("integer", "anyOf"), 15),
        ("15", optional("integer", "oneOf"), 15),
        ("null", optional("integer", "anyOf"), None),
        ("null", optional("string", "anyOf"), "null"),
        ("15", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "15"),
        ("15", {"allOf": [{"type": "integer"}]}, 15),
        ("15", {"allOf": [{"type": ["integer", "string"]}, {"type": "integer"}]}, 15),
        ("15", {"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 15),
        (
            "15",
            {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}], "$defs": {"n": {"type": "integer"}}},
            15,
        ),
        ("15", {"anyOf": [{"allOf": [{"type": "integer"}]}, {"type": "null"}]}, 15),
        ("15", {"enum": [15, 20]}, 15),
        ("15", {"enum": [15, "15"]}, "15"),
        ("true", {"const": True}, True),
        ("2", {"const": 2}, 2),
        (15, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "15"),
        (15, {"enum": ["15", "20"]}, "15"),
        ('["a"]', {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, ["a"]),
        (
            {"n": "1"},
            {"anyOf": [{"properties": {"n": {"type": "integer"}}, "type": "object"}, {"type": "null"}]},
            {"n": 1},
        ),
        ({"kind": "circle", "r": "1.5"}, SHAPES, {"kind": "circle", "r": 1.5}),
        ({"kind": "box", "w": "2"}, SHAPES, {"kind": "box", "w": 2}),
        ({"n": "1", "t": {"n": "2", "t": {"N": "3"}}}, TREE, {"n": 1, "t": {"n": 2, "t": {"n": 3}}}),
        ({"x": "1"}, {"additionalProperties": {"type": "integer"}}, {"x": 1}),
        (["1", "2"], {"items": [{"type": "integer"}]}, [1, "2"]),
        (["1", "2"], {"prefixItems": [{"type": "integer"}], "items": {"type": "number"}}, [1, 2]),
        ({"a": "1"}, {"properties": {"a": {"type": "integer", "pattern": "(("}}}, {"a": 1}),
    ],
)
def test_types_are_found_wherever_the_schema_names_them(value: Any, schema: dict[str, Any], made: object) -> None:
    assert repr(fitted(value, schema)) == repr(made)


def test_what_a_tag_says_of_its_text_counts_where_the_schema_names_no_type() -> None:
    schema = {"properties": {"typed": {"type": "string"}, "free": {}}}
    written = dict.fromkeys(("typed", "free", "said", "unsaid", "other"), "false") | {"bad": "{", "list": "[1]"}
    hints = {"typed": False, "free": False, "said": True, "other": False, "bad": False, "list": False}
    assert typed(written, hints, schema) == {
        "typed": "false",
        "free": False,
        "said": "false",
        "unsaid": "false",
        "other": False,
        "bad": "{",
        "list": [1],
    }


# Backslashes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"path": "C:\Work\new.txt"}', {"path": r"C:\Work\new.txt"}),
        (r'{"path": "C:\Work\new\table.txt", "n": 1}', {"path": r"C:\Work\new\table.txt", "n": 1}),
        (r'{"path": "C:\Work\"}', {"path": "C:\\Work\\"}),
        (r'{"pattern": "\d+\.\w"}', {"pattern": r"\d+\.\w"}),
        (r'{"path": "\\server\share"}', None),
        (r'{"cmd": "grep \"a\.b\" x"}', {"cmd": r'grep "a\.b" x'}),
        (r'{"cmd": "grep \"a\.b\" x\n"}', None),
        (r'{"cmd": "grep "a\.b" x"}', {"cmd": r'grep "a\.b" x'}),
        ('{"cmd": "curl \\\n  -X GET"}', {"cmd": "curl \\\n  -X GET"}),
        (r'{"path": "C:\\Work\\new.txt"}', {"path": r"C:\Work\new.txt"}),
        (r'{"a": "it\'s"}', {"a": "it's"}),
        (r"{'a': 'it\'s'}", {"a": "it's"}),
        (r'{"a": "\u00e9\n"}', {"a": "é\n"}),
        (r'{"a": "\user\new"}', {"a": r"\user\new"}),
    ],
)
def test_a_backslash_that_json_does_not_know_shows_that_none_was_escaped(text: str, value: object) -> None:
    if value is None:
        with pytest.raises(Unreadable, match="backslash"):
            loaded(text)
    else:
        assert loaded(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, 'b': True, “c”: None}", {"a": 1, "b": True, "c": None}),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
        ('[{"a": 1} {"b": 2}]', [{"a": 1}, {"b": 2}]),
        ("{'a': 'say \"hi\"'}", {"a": 'say "hi"'}),
        ('{"a": Rome}', {"a": "Rome"}),
        ('{"a": [1, {"b": 2,},', {"a": [1, {"b": 2}]}),
    ],
)
def test_marks_of_json_are_mended(text: str, value: object) -> None:
    assert loaded(text) == value


@pytest.mark.parametrize(
    "text",
    ['{"a": New York}', "[1 2]", "{'a': 'it's'}", '{"a": NaN,}', "[1}", '{"a": 1 000}'],
)
def test_what_could_mean_something_else_is_asked_for_again(text: str) -> None:
    with pytest.raises(Unreadable):
        loaded(text)


@given(st.text(alphabet="{}[]\",:\\'“”`ab1 \nTrue", max_size=30))
def test_no_text_breaks_the_repair(text: str) -> None:
    with suppress(Unreadable):
        json.dumps(loaded(text), allow_nan=False)
