"""Gemini's schemas as JSON Schema: nothing of them that answers and calls are held against is lost."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.api.gemini.gemini_schema import as_json_schema


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "TYPE_UNSPECIFIED", "maxLength": 3}, {"maxLength": 3}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": False}, {"type": "string"}),
        ({"enum": ["a"], "nullable": True}, {"enum": ["a", None]}),
        ({"anyOf": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"any_of": [{"type": "STRING"}, 7]}, {"anyOf": [{"type": "string"}, 7]}),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}}, {"type": "array", "items": {"type": "integer"}}),
        ({"additionalProperties": {"type": "NUMBER"}}, {"additionalProperties": {"type": "number"}}),
        ({"additional_properties": {"type": "NUMBER"}}, {"additionalProperties": {"type": "number"}}),
        ({"additional_properties": False}, {"additionalProperties": False}),
        ({"minItems": "2", "max_items": "3"}, {"minItems": 2, "maxItems": 3}),
        ({"minLength": "-1", "maxLength": "1" * 19}, {"minLength": "-1", "maxLength": "1" * 19}),
        ({"properties": {"minItems": {"type": "STRING"}}}, {"properties": {"minItems": {"type": "string"}}}),
        ({"type": "STRING", "example": "x", "property_ordering": ["a"]}, {"type": "string"}),
        ("x", "x"),
    ],
)
def test_a_schema_says_the_same_as_json_schema(schema: Any, made: Any) -> None:
    assert as_json_schema(schema) == made
