"""Makes a JSON value fit its JSON Schema where no doubt is possible: "5" is 5 where a number is asked for.

Keys that differ in case only get the schema's spelling; anything beyond that is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
from jsonschema import validators
from jsonschema.exceptions import UndefinedTypeCheck, UnknownType, best_match
from referencing.exceptions import Unresolvable

DEEPEST = 40
FAULTS = (
    *(UnknownType, UndefinedTypeCheck, Unresolvable, jsonschema.SchemaError, re.error),
    *(RecursionError, TypeError, ValueError, AttributeError, LookupError),
)
"""What a schema that is no schema may raise."""
LITERALS = {"true": True, "false": False, "null": None, "none": None}


def misfit(value: object, schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with `value`, or None; a schema that is no schema asks for nothing."""
    try:
        error = best_match(_validator(schema).iter_errors(value))
    except FAULTS:
        return None  # the client's schema is at fault, not the value
    if error is None:
        return None
    return f"{error.json_path}: {error.message[:200]}"


def check_schema(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a schema itself, or None."""
    try:
        validators.validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        return f"{error.json_path}: {error.message[:200]}"
    except (RecursionError, TypeError, ValueError, AttributeError):
        return "it is nested too deeply, or is no schema at all"
    return None


def fitted(value: Any, schema: Any, depth: int = 0) -> Any:
    """Return `value` in the types that `schema` asks for, as far as that is certain."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return value
    kind = schema.get("type")
    if isinstance(value, str) and kind not in (None, "string") and not (isinstance(kind, list) and "string" in kind):
        value = _read(value, kind)
    if isinstance(value, bool | int | float) and kind == "string":
        return json.dumps(value)
    if isinstance(value, dict) and isinstance(schema.get("properties"), Mapping):
        return _object(value, schema["properties"], depth)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [fitted(item, schema["items"], depth + 1) for item in value]
    return int(value) if kind == "integer" and isinstance(value, float) and value.is_integer() else value


def _validator(schema: Mapping[str, Any]) -> Any:
    kind = validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return kind(dict(schema))


def _object(value: dict[str, Any], properties: Mapping[str, Any], depth: int) -> dict[str, Any]:
    spelled = {name.lower(): name for name in properties}
    unambiguous = len(spelled) == len(properties)
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = spelled.get(key.lower(), key) if unambiguous and key not in properties else key
        name = key if name in value else name
        found[name] = fitted(inner, properties.get(name), depth + 1)
    return found


def _read(text: str, kind: object) -> Any:
    """Return what `text` is as JSON, if that is of the kind; the text itself otherwise."""
    plain = text.strip()
    try:
        read = LITERALS[plain.lower()] if plain.lower() in LITERALS else json.loads(plain, strict=False)
    except (ValueError, RecursionError):
        return text
    kinds = kind if isinstance(kind, list) else [kind]
    return read if any(_is(read, one) for one in kinds) else text


def _is(value: object, kind: object) -> bool:
    match value:
        case bool():
            return kind == "boolean"
        case int():
            return kind in ("integer", "number")
        case float():
            return kind == "number" or (kind == "integer" and value.is_integer())
        case dict():
            return kind == "object"
        case list():
            return kind == "array"
    return value is None and kind == "null"
