"""A tool's JSON Schema as TypeScript: a third of the size, and read at least as well by models.

What has no such type is shown as its JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DEEPEST = 6
"""Levels of nesting that are spelled out; recursive schemas end here."""
PLAIN = {"string": "string", "number": "number", "integer": "integer", "boolean": "boolean", "null": "null"}
NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
HINTS = ("format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default")


def signature(name: str, description: str, parameters: Mapping[str, Any]) -> str:
    """Return one tool: its description as a comment, its name, and the type of its arguments."""
    schema = {"type": "object", **parameters}
    comment = "".join(f"// {line}".rstrip() + "\n" for line in description.strip().splitlines())
    return f"{comment}{name}({_type(schema, schema, 0)})"


def _type(schema: Any, root: Mapping[str, Any], depth: int) -> str:
    schema = _referred(schema, root)
    if schema is True or schema == {}:
        return "any"
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return "any"
    if "const" in schema or (isinstance(schema.get("enum"), list) and schema["enum"]):
        return " | ".join(map(_shown, [schema["const"]] if "const" in schema else schema["enum"]))
    for union in ("anyOf", "oneOf"):
        if isinstance(schema.get(union), list):
            return " | ".join(dict.fromkeys(_type(member, root, depth + 1) for member in schema[union]))
    return _of_kind(schema.get("type"), schema, root, depth)


def _of_kind(kind: object, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    if isinstance(kind, list):
        return " | ".join(_of_kind(one, schema, root, depth) for one in kind)
    if kind == "array":
        item = _type(schema.get("items", True), root, depth)
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, depth)
    return PLAIN.get(str(kind)) or _shown(schema)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping) and extra:
            return f"{{[key: string]: {_type(extra, root, depth + 1)}}}"
        return "{}" if depth == 0 or extra is False else "object"
    required = schema.get("required")
    needed = set(filter(lambda name: isinstance(name, str), required)) if isinstance(required, list) else set()
    indent = "  " * (depth + 1)
    lines = [
        f"{indent}{_name(name)}{'' if name in needed else '?'}: {_type(inner, root, depth + 1)},{_comment(inner)}"
        for name, inner in properties.items()
    ]
    return "\n".join(("{", *lines, "  " * depth + "}"))


def _comment(schema: Any) -> str:
    """Return what the type cannot say: the description, and the limits."""
    if not isinstance(schema, Mapping):
        return ""
    described = schema.get("description")
    words = [" ".join(described.split())] if isinstance(described, str) and described.strip() else []
    words += [f"{hint}: {_shown(schema[hint])}" for hint in HINTS if hint in schema]
    return f" // {'; '.join(words)}" if words else ""


def _referred(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return what a reference such as `#/$defs/name` stands for; None where it leads nowhere."""
    for _ in range(DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            return schema
        schema = root
        for step in reference.removeprefix("#").strip("/").split("/"):
            schema = schema.get(step) if isinstance(schema, Mapping) else None
    return None


def _name(name: str) -> str:
    return name if NAME.fullmatch(name) else _shown(name)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
