"""Coerces a JSON value to its JSON Schema if the result is certain: "5" becomes 5 if the schema asks for a number.

Keys that differ only in case get the schema's spelling; everything else is unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bridge.tool_calls.schemas.json_schema import TYPES, Form, Plain
from bridge.tool_calls.schemas.validation import Checker

DEEPEST = 40
WIDEST = 50
"""Most schemas that are considered for one value."""
MOST = 200_000
"""Most steps for a whole value; the rest of it is left unchanged."""
LITERALS = {"true": True, "false": False, "null": None, "none": None}
NUMBERS = frozenset({"number", "integer"})
Kinds = frozenset[str]


def misfit(value: object, schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with `value`, or None; unsupported parts of the schema are ignored."""
    return _checker(_Same(schema)).misfit(value)


def fitted(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return `value` coerced to the types of `schema`, as far as that is certain."""
    plain = _checker(_Same(schema)).plain
    return _Fitter(plain).fit(value, [plain.form], 0)


def typed(values: Mapping[str, str], is_text: Mapping[str, bool], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of parameters written as text; `is_text` holds what the model declared for some of them.

    One declared as no string is parsed as JSON, unless the schema names its type: then `fitted` coerces it.
    """
    plain = _checker(_Same(schema)).plain
    fitter = _Fitter(plain)
    known = {name for name in values if fitter.kinds_of_member(plain.form, name) != TYPES}
    found: dict[str, Any] = dict(values)
    for name in (name for name in values if not is_text.get(name, True)):
        read = _read(values[name], TYPES)
        if name not in known or isinstance(read, str):
            found[name] = read
    return found


class _Same:
    """A schema compared by identity, as a cache key."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=8)
def _checker(same: _Same) -> Checker:
    return Checker(same.schema)


class _Fitter:
    """A coercion of one value to the schemas of one document."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._kinds: dict[int, Kinds] = {}
        self._left = MOST

    def fit(self, value: Any, schemas: Iterable[Form], depth: int) -> Any:
        """Return `value` coerced to all of `schemas`."""
        if depth > DEEPEST or self._left <= 0:
            return value
        forms = self._joined(schemas)
        value = _as_one_of(value, self._common(forms))
        if isinstance(value, dict | list):
            forms = self._joined([*forms, *self._chosen(forms, value)])
        if isinstance(value, dict):
            return self._object(value, forms, depth)
        if isinstance(value, list):
            return [self.fit(item, _of_item(forms, index), depth + 1) for index, item in enumerate(value)]
        return value

    def kinds_of_member(self, form: Form, name: str) -> Kinds:
        """Return the types that an object's member may have."""
        return self._common(self._joined(_of_member(self._joined([form]), name)))

    def _joined(self, schemas: Iterable[Form]) -> list[dict[str, Any]]:
        """Return `schemas` with all schemas that they imply by `$ref` and `allOf`."""
        found: dict[int, dict[str, Any]] = {}
        queue = list(schemas)
        while queue and len(found) < WIDEST:
            form = queue.pop(0)
            if isinstance(form, bool) or id(form) in found:
                continue
            found[id(form)] = form
            queue += [self._plain.referred(form), *form.get("allOf", ())[:WIDEST]]
        self._left -= 1 + len(found)
        return list(found.values())

    def _common(self, forms: Sequence[Form]) -> Kinds:
        kinds = TYPES
        for form in forms:
            kinds &= self._kinds_of(form, 0)
        return kinds

    def _kinds_of(self, form: Form, depth: int) -> Kinds:
        """Return the types that a schema allows."""
        if isinstance(form, bool) or depth > DEEPEST:
            return TYPES
        if (known := self._kinds.get(id(form))) is None:
            self._kinds[id(form)] = TYPES  # a schema that refers to itself comes back here
            known = _own_kinds(form)
            for inner in (self._plain.referred(form), *form.get("allOf", ())):
                known &= self._kinds_of(inner, depth + 1)
            for choice in _choices(form):
                known &= frozenset().union(*(self._kinds_of(branch, depth + 1) for branch in choice))
            self._kinds[id(form)] = known
        return known

    def _chosen(self, forms: Iterable[dict[str, Any]], value: Any) -> Iterator[Form]:
        """Yield the branch of each choice that alone can be meant."""
        for form in forms:
            for choice in _choices(form):
                meant = [branch for branch in choice[:WIDEST] if self._may_be_meant(branch, value)]
                if len(meant) == 1:
                    yield meant[0]

    def _may_be_meant(self, branch: Form, value: Any) -> bool:
        if _kind(value) not in self._kinds_of(branch, 0) or self._left <= 0:
            return False
        if not isinstance(value, dict):
            return True
        forms = self._joined([branch])
        if not all(name in value for form in forms for name in form.get("required", ())):
            return False
        fixed = ((inner, value[name]) for name in value for inner in self._joined(_of_member(forms, name)))
        return all(self._is_allowed(inner, one) for inner, one in fixed)

    def _is_allowed(self, form: Mapping[str, Any], value: Any) -> bool:
        allowed = _allowed(form, value)
        self._left -= len(allowed) // 8
        return value in allowed

    def _object(self, value: dict[str, Any], forms: Sequence[dict[str, Any]], depth: int) -> dict[str, Any]:
        names = {name for form in forms for name in form.get("properties", ())}
        self._left -= len(names) // 4
        spelled = {name.lower(): name for name in names}
        is_certain = len(spelled) == len(names)
        found: dict[str, Any] = {}
        for key, inner in value.items():
            name = spelled.get(key.lower(), key) if is_certain and key not in names else key
            name = key if name in value else name
            found[name] = self.fit(inner, _of_member(forms, name), depth + 1)
        return found


def _of_member(forms: Iterable[dict[str, Any]], name: str) -> list[Form]:
    found: list[Form] = []
    for form in forms:
        properties = form.get("properties", {})
        found.append(properties[name] if name in properties else form.get("additionalProperties", True))
    return found


def _of_item(forms: Iterable[dict[str, Any]], index: int) -> list[Form]:
    found: list[Form] = []
    for form in forms:
        first = form.get("prefixItems", ())
        found.append(first[index] if index < len(first) else form.get("items", True))
    return found


def _choices(form: dict[str, Any]) -> list[list[Form]]:
    return [form[keyword] for keyword in ("anyOf", "oneOf") if keyword in form]


def _allowed(form: Mapping[str, Any], otherwise: Any) -> list[Any]:
    """Return the values of a schema's `const` or `enum`; without either, `otherwise`."""
    return [form["const"]] if "const" in form else form.get("enum", [otherwise])


def _own_kinds(form: Mapping[str, Any]) -> Kinds:
    kinds = frozenset(form.get("type", TYPES))
    if "number" in kinds:
        kinds |= NUMBERS
    if "const" in form or "enum" in form:
        kinds &= {kind for value in _allowed(form, None) for kind in (NUMBERS if _is_whole(value) else {_kind(value)})}
    return kinds


def _is_whole(value: object) -> bool:
    return _kind(value) == "integer" or (isinstance(value, float) and value.is_integer())


def _as_one_of(value: Any, kinds: Kinds) -> Any:
    """Return a value coerced to one of the types, if it is certain to which."""
    kind = _kind(value)
    if isinstance(value, str) and "string" not in kinds:
        value = _read(value, kinds)
    elif (
        kind in ("boolean", *NUMBERS) and kind not in kinds and "string" in kinds and not kinds & {*NUMBERS, "boolean"}
    ):
        return json.dumps(value)
    is_whole = "integer" in kinds and "number" not in kinds and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _read(text: str, kinds: Kinds) -> Any:
    """Return `text` parsed as JSON if the result has one of the types; else `text` itself."""
    plain = text.strip()
    try:
        read = LITERALS[plain.lower()] if plain.lower() in LITERALS else json.loads(plain, strict=False)
    except (ValueError, RecursionError):
        return text
    return read if _kind(read) in kinds or ("integer" in kinds and _is_whole(read)) else text


def _kind(value: object) -> str:
    """Return the JSON type of a value; a float is never an integer."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "null"
