"""Renders a tool's JSON Schema as TypeScript: a third of the size, and read at least as well by models.

A schema without such a type is shown as JSON Schema. References are expanded in place, so a small schema can describe a
huge type: the output is limited in proportion to the schema's size, and the rest becomes `any`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 6
"""Most levels of objects and choices that are expanded; recursive schemas end there."""
DEEPEST_AT_ALL = 30
"""Most levels of any kind, including arrays and references to references."""
TIMES, SPARE = 4, 4_000
"""The limit of the output: the schema's length times `TIMES`, plus `SPARE` characters."""
PLAIN = {"string": "string", "number": "number", "integer": "integer", "boolean": "boolean", "null": "null"}
NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
HINTS = ("format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default")


def signature(name: str, description: str, parameters: Mapping[str, Any]) -> str:
    """Return the declaration of a tool: its description as a comment, its name, and the type of its arguments."""
    comment = "".join(f"// {line}".rstrip() + "\n" for line in description.strip().splitlines())
    return f"{comment}{name}({_Writer({'type': 'object', **parameters}).written()})"


class _Writer:
    """A writer of one schema's type."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = TIMES * len(_shown(root)) + SPARE
        self._level = 0

    def written(self) -> str:
        return self._type(self._root, 0)

    def _type(self, schema: Any, depth: int) -> str:
        if depth > DEEPEST or self._level > DEEPEST_AT_ALL or self._left <= 0:
            return "any"
        self._left -= 1
        self._level += 1
        schema = self._referred(schema)
        made = self._of(schema, depth) if isinstance(schema, Mapping) and schema else "any"
        self._level -= 1
        return made

    def _of(self, schema: Mapping[str, Any], depth: int) -> str:
        if "const" in schema:
            return self._leaf([schema["const"]])
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._leaf(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if isinstance(schema.get(union), list) and schema[union]:
                return _union(self._type(member, depth + 1) for member in schema[union])
        kinds = schema.get("type")
        named = kinds if isinstance(kinds, list) else [str(kinds)]
        self._left -= len(named)
        return _union(self._of_kind(kind, schema, depth) for kind in named if isinstance(kind, str))

    def _of_kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> str:
        if kind == "array":
            item = self._type(schema.get("items", True), depth)
            return f"({item})[]" if " | " in item else f"{item}[]"
        if kind == "object" or (kind == "None" and "properties" in schema):
            return self._object(schema, depth)
        return PLAIN.get(kind) or self._leaf([schema])

    def _object(self, schema: Mapping[str, Any], depth: int) -> str:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            extra = schema.get("additionalProperties")
            if isinstance(extra, Mapping) and extra:
                return f"{{[key: string]: {self._type(extra, depth + 1)}}}"
            return "{}" if depth == 0 or extra is False else "object"
        required = schema.get("required")
        needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        self._left -= len(needed)
        lines = [self._line(name, inner, name in needed, depth + 1) for name, inner in properties.items()]
        return "\n".join(("{", *lines, "  " * depth + "}"))

    def _line(self, name: str, schema: Any, is_needed: bool, depth: int) -> str:
        head = f"{_name(name)}{'' if is_needed else '?'}: "
        comment = _comment(schema) if self._left > 0 else ""
        self._left -= 2 * depth + len(head) + len(comment)
        return f"{'  ' * depth}{head}{self._type(schema, depth)},{comment}"

    def _leaf(self, values: Iterable[object]) -> str:
        text = " | ".join(map(_shown, values))
        self._left -= len(text)
        return text

    def _referred(self, schema: Any) -> Any:
        """Return the target of a reference such as `#/$defs/name`; None if it leads nowhere."""
        for _ in range(DEEPEST):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                return schema
            self._left -= len(reference)
            schema = self._root
            for step in reference.removeprefix("#").strip("/").split("/"):
                schema = schema.get(step) if isinstance(schema, Mapping) else None
        return None


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types)) or "any"


def _comment(schema: Any) -> str:
    """Return a comment with the description and the limits, which the type does not express."""
    if not isinstance(schema, Mapping):
        return ""
    described = schema.get("description")
    words = [" ".join(described.split())] if isinstance(described, str) and described.strip() else []
    words += [f"{hint}: {_shown(schema[hint])}" for hint in HINTS if hint in schema]
    return f" // {'; '.join(words)}" if words else ""


def _name(name: str) -> str:
    return name if NAME.fullmatch(name) else _shown(name)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
