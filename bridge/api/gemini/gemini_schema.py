"""Converts Gemini's schemas, a form of OpenAPI's, to JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api.gemini.gemini_fields import snake_case

NUMBERS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
"""Keywords whose integers may be written as texts."""
NAMES: dict[str, str] = {snake_case(name): name for name in ("anyOf", "additionalProperties", *NUMBERS)}
"""Keywords that clients may write in snake case."""
LEFT_OUT = frozenset({"example", "nullable", "propertyOrdering", "property_ordering"})


def as_json_schema(schema: Any) -> Any:
    """Return the schema converted; a value that is not an object stays unchanged."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for name, value in schema.items():
        keyword = NAMES[name] if name in NAMES else str(name)
        if keyword not in LEFT_OUT:
            made[keyword] = _value(keyword, value)
    if made.get("type") == "type_unspecified":
        del made["type"]
    return _nullable(made) if schema.get("nullable") is True else made


def _value(keyword: str, value: Any) -> Any:
    match keyword, value:
        case "type", str():
            return value.lower()
        case "properties", dict():
            return {name: as_json_schema(inner) for name, inner in value.items()}
        case "anyOf", list():
            return [as_json_schema(inner) for inner in value]
        case (("items" | "additionalProperties"), dict()):
            return as_json_schema(value)
        case _, str() if keyword in NUMBERS and value.isascii() and value.isdecimal() and len(value) < len("1" * 19):
            return int(value)
    return value


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that also accepts null."""
    more: dict[str, Any] = {}
    if isinstance(kind := schema.get("type"), str):
        more["type"] = [kind, "null"]
    if isinstance(values := schema.get("enum"), list):
        more["enum"] = [*values, None]
    if isinstance(ways := schema.get("anyOf"), list):
        more["anyOf"] = [*ways, {"type": "null"}]
    return {**schema, **more}
