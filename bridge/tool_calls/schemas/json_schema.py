"""Normalizes a client's JSON Schema to the supported part of draft 2020-12.

Invalid parts are ignored, and the rest still counts: an unknown type, a keyword of the wrong form, a pattern that
cannot be checked, a reference out of the schema or to nothing. Nothing is ever fetched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Form = dict[str, Any] | bool
"""A normalized schema; `True` allows everything, `False` nothing."""
LARGEST = 5_000
"""Most parts of a schema that are read."""
LARGEST_NUMBER = sys.float_info.max
DEEPEST = 60
"""Most levels of nesting that are read."""
TYPES = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})
MATCHES = "matches"
"""The keyword for `pattern` in a normalized schema, so that the engine does not check it itself."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_dependence(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_names, value.values()))


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


PLAIN: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"), _is_count),
    **dict.fromkeys(("minProperties", "maxProperties"), _is_count),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "uniqueItems": lambda value: isinstance(value, bool),
    "enum": lambda value: isinstance(value, list) and bool(value),
    "const": lambda value: True,
    "required": _is_names,
    "dependentRequired": _is_dependence,
}
"""Keywords without a subschema, and the check of their values."""
CLEANED: Mapping[str, Callable[[Any], Any]] = {
    "required": _once,
    "dependentRequired": lambda value: {name: _once(names) for name, names in value.items()},
}
"""Keywords whose lists of names must have no repetitions for the engine."""
ONE = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas")
REST = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords about the members or items that no other keyword covers."""
UNREAD = ("$dynamicRef", "$recursiveRef", "dependencies", "extends", "disallow")
"""Keywords that restrict values and are not supported."""
DOUBTFUL = (*REST, "not", "if", "then", "else", "maxContains")
"""Keywords that become too strict if a part of the schema was left out."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A normalized schema, and the targets of its references."""

    form: Form
    defs: Mapping[str, Form]

    def referred(self, form: Mapping[str, Any]) -> Form:
        """Return the target of the reference in `form`; without a reference, True."""
        return self.defs[form["$ref"].rpartition("/")[2]] if "$ref" in form else True

    def whole(self) -> dict[str, Any]:
        """Return the schema and its definitions as one document."""
        return {"allOf": [self.form], "$defs": self.defs}


def plain(schema: Any, judge: Callable[[str], bool | None], may_name: Callable[[str], bool]) -> Plain:
    """Return `schema` normalized; `judge` tells whether a pattern can be checked, None meaning not for every text."""
    reader = _Reader(schema, judge, may_name, is_exact=True)
    found = reader.read()
    return found if reader.is_exact else _Reader(schema, judge, may_name, is_exact=False).read()


class _Reader:
    """A reader of one schema; `is_exact` becomes False as soon as something is left out."""

    def __init__(
        self, root: Any, judge: Callable[[str], bool | None], may_name: Callable[[str], bool], *, is_exact: bool
    ) -> None:
        self._root = root
        self._judge = judge
        self._may_name = may_name
        self._is_strict = is_exact
        self.is_exact = is_exact
        self._count = 0
        self._names: dict[str, str] = {}
        self._unread: list[str] = []
        self._defs: dict[str, Form] = {}

    def read(self) -> Plain:
        form = self._schema(self._root, 0)
        while self._unread:
            reference = self._unread.pop()
            self._defs[self._names[reference]] = self._schema(self._target(reference), 0)
        return Plain(form, self._defs)

    def _schema(self, raw: Any, depth: int) -> Form:
        """Return a schema normalized; True if it is not supported at all."""
        if isinstance(raw, bool):
            return raw
        self._count += 1
        if not isinstance(raw, Mapping) or depth > DEEPEST or self._count > LARGEST:
            self.is_exact = False
            return True
        modern = _modern(raw)
        made: dict[str, Any] = {}
        for keyword, value in modern.items():
            if not self._is_strict and keyword in DOUBTFUL:
                continue
            self._keyword(made, keyword, value, depth)
        if list(made.get("patternProperties", ())) != list(_names(modern.get("patternProperties"))):
            made.pop("additionalProperties", None)  # it would forbid names that a dropped pattern allows
        return made

    def _keyword(self, made: dict[str, Any], keyword: str, value: Any, depth: int) -> None:
        """Add a keyword to the normalized schema, if it is supported."""
        if keyword in PLAIN:
            self._keep(made, keyword, value, PLAIN[keyword](value))
        elif keyword in (*ONE, *REST):
            made[keyword] = self._schema(value, depth + 1)
        elif keyword in MANY:
            self._many(made, keyword, value, depth)
        elif keyword in NAMED:
            self._named(made, keyword, value, depth)
        elif keyword in ("type", "pattern", "$ref"):
            self._special(made, keyword, value)
        elif keyword in UNREAD:
            self.is_exact = False

    def _special(self, made: dict[str, Any], keyword: str, value: Any) -> None:
        if keyword == "type":
            given = (name.lower() if isinstance(name, str) else "" for name in _listed(value))
            names = [*dict.fromkeys(given)]  # the engine accepts no duplicates
            self._keep(made, keyword, names, bool(names) and TYPES.issuperset(names))
        elif keyword == "pattern":
            judged = self._judge(value) if isinstance(value, str) else False
            self._keep(made, MATCHES, value, judged is not False)
            self.is_exact = self.is_exact and judged is True
        else:
            name = self._name(value)
            self._keep(made, keyword, f"#/$defs/{name}", name is not None)

    def _keep(self, made: dict[str, Any], keyword: str, value: Any, is_understood: bool) -> None:
        if is_understood:
            made[keyword] = CLEANED[keyword](value) if keyword in CLEANED else value
        else:
            self.is_exact = False

    def _many(self, made: dict[str, Any], keyword: str, value: Any, depth: int) -> None:
        if not isinstance(value, list) or not value:
            self.is_exact = False
            return
        members = [self._schema(member, depth + 1) for member in value]
        if keyword == "oneOf" and not self._is_strict:  # more than one branch may seem to fit
            made.setdefault("allOf", []).append({"anyOf": members})
        elif keyword == "allOf":
            made.setdefault("allOf", []).extend(members)
        else:
            made[keyword] = members

    def _named(self, made: dict[str, Any], keyword: str, value: Any, depth: int) -> None:
        if not isinstance(value, Mapping):
            self.is_exact = False
            return
        names = [name for name in value if keyword != "patternProperties" or self._may_name(name)]
        self.is_exact = self.is_exact and len(names) == len(value)
        made[keyword] = {name: self._schema(value[name], depth + 1) for name in names}

    def _name(self, reference: Any) -> str | None:
        """Return the name of a reference's target, or None if it leads out of the schema or to nothing."""
        if not isinstance(reference, str) or len(self._names) >= LARGEST:
            return None
        if reference not in self._names:
            if self._target(reference) is None:
                return None
            self._names[reference] = str(len(self._names))
            self._unread.append(reference)
        return self._names[reference]

    def _target(self, reference: str) -> Any:
        own = self._root.get("$id") if isinstance(self._root, Mapping) else None
        local = reference.removeprefix(own) if isinstance(own, str) else reference
        if local not in ("", "#") and not local.startswith("#/"):
            return None
        found = self._root
        for step in local.split("/")[1:]:
            found = _at(found, unquote(step).replace("~1", "/").replace("~0", "~"))
        return found


def _at(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and len(step) < 10 and int(step) < len(value):
        return value[int(step)]
    return None


def _names(value: Any) -> Iterable[str]:
    return value if isinstance(value, Mapping) else ()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _modern(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the keywords of older drafts and OpenAPI translated."""
    made = dict(raw)
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(raw.get(exclusive), bool):
            del made[exclusive]
            if raw[exclusive] and limit in made:
                made[exclusive] = made.pop(limit)
    if isinstance(raw.get("items"), list):
        made["prefixItems"] = made.pop("items")
        if "additionalItems" in made:
            made["items"] = made.pop("additionalItems")
    if raw.get("nullable") is True:
        made = {"anyOf": [{"type": "null"}, {**made, "nullable": False}]}
    return made
