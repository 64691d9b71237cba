"""Validates a value against a client's JSON Schema with bounded work for any value and schema.

Patterns are matched in linear time, or with a limit. A check that would take too much work is skipped, and a skipped
check counts as passed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Any

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, RegexOptions, ValidationError, ValidationErrorKind

from bridge.tool_calls.schemas.json_schema import MATCHES, REST, Form, Plain, plain

MOST = 100_000
"""Most steps of a check; one takes about a microsecond at worst."""
DEEPEST = 100
"""Most levels of a check; the engine's own stack must not overflow."""
MOST_PATTERNS, MOST_LARGE = 50, 3
"""Most patterns of a schema that are checked, and how many of them may need much memory."""
SMALL, LARGE = 1 << 18, 1 << 22
LONGEST_BACKTRACKED = 1_000
"""Most characters of a text that is matched by backtracking, for patterns with lookaround or backreferences."""
BACKTRACKS = 10_000
TOLD_FOR = 20_000_000
"""Most steps times characters for which the engine is asked for a message: it copies the value at each step."""
NAME: Form = {MATCHES: ""}
GAVE_UP = (ValidationErrorKind.BacktrackLimitExceeded, ValidationErrorKind.RegexEngineFailure)
WORDS = 200


class Checker:
    """A validator of values against one schema."""

    def __init__(self, schema: Any) -> None:
        patterns = Patterns()
        self.plain = plain(schema, patterns.judge, patterns.may_name)
        self._validator = Draft202012Validator(
            clean(self.plain.whole()),
            offline=True,
            pattern_options=RegexOptions(SMALL, SMALL),
            validate_formats=False,
            keywords={MATCHES: patterns.keyword},  # type: ignore[dict-item]  # any callable that makes one will do
        )

    def misfit(self, value: object) -> str | None:
        """Return what is wrong with `value`, or None."""
        try:
            value = clean(value)
            steps = Work(self.plain).of(self.plain.form, value)
        except (TooMuch, RecursionError):
            return None
        if self._validator.is_valid(value):
            return None
        if steps * len(json.dumps(value, ensure_ascii=False)) <= TOLD_FOR:
            try:
                self._validator.validate(value)
            except ValidationError as error:
                return _description(error)
        return "$: the value is not valid against the schema"


def clean(value: Any) -> Any:
    """Return `value` without lone surrogates, which the engine does not accept."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def _description(error: ValidationError) -> str:
    inner = _plainest(error)
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in inner.instance_path)
    return f"${path}: {inner.message[:WORDS]}"


def _plainest(error: ValidationError) -> ValidationError:
    """Return the error of the only branch of a choice that has the value's type, if there is one."""
    kind = error.kind
    while isinstance(kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid):
        branches = [branch[0] for branch in kind.context if branch and not _is_other_type(branch[0], error)]
        if len(branches) != 1:
            break
        error, kind = branches[0], branches[0].kind
    return error


def _is_other_type(error: ValidationError, outer: ValidationError) -> bool:
    return isinstance(error.kind, ValidationErrorKind.Type) and error.instance_path == outer.instance_path


# Patterns


class Matcher:
    """One pattern, as a keyword that rejects texts that do not match."""

    def __init__(self, pattern: str, size: int, *, backtracks: bool = False) -> None:
        options = FancyRegexOptions(BACKTRACKS, size, SMALL) if backtracks else RegexOptions(size, SMALL)
        self.size = size
        self._pattern = pattern
        self._longest = LONGEST_BACKTRACKED if backtracks else None
        self._validator = Draft202012Validator({"pattern": pattern}, offline=True, pattern_options=options)

    @property
    def is_sure(self) -> bool:
        """Tell whether every text can be checked."""
        return self._longest is None

    def validate(self, instance: Any) -> None:
        """Raise a `ValueError` if `instance` is a text that does not match."""
        if not isinstance(instance, str) or (self._longest is not None and len(instance) > self._longest):
            return
        try:
            self._validator.validate(instance)
        except ValidationError as error:
            if not isinstance(error.kind, GAVE_UP):
                raise ValueError(f"{json.dumps(instance[:80])} does not match {self._pattern[:100]!r}") from None


class Patterns:
    """The patterns of one schema."""

    def __init__(self) -> None:
        self._matchers: dict[str, Matcher | None] = {}
        self._large = 0

    def judge(self, pattern: str) -> bool | None:
        """Tell whether texts can be checked against a pattern; None if not all of them can."""
        if pattern not in self._matchers:
            self._matchers[pattern] = self._made(pattern) if len(self._matchers) < MOST_PATTERNS else None
        matcher = self._matchers[pattern]
        return False if matcher is None else matcher.is_sure or None

    def may_name(self, pattern: str) -> bool:
        """Tell whether the engine itself can check names against a pattern."""
        matcher = self._matchers.get(pattern) if self.judge(pattern) else None
        return matcher is not None and matcher.size == SMALL

    def keyword(self, parent: Any, pattern: str, path: Any) -> Matcher | None:
        """Return the matcher of a pattern that can be checked."""
        return self._matchers[pattern]

    def _made(self, pattern: str) -> Matcher | None:
        for size in (SMALL, LARGE):
            if size == LARGE and self._large >= MOST_LARGE:
                return None
            self._large += size == LARGE
            for backtracks in (False, True):
                with suppress(ValueError):
                    return Matcher(pattern, size, backtracks=backtracks)
        return None


# Work


class TooMuch(Exception):
    """A check would take too much work."""


class Work:
    """The number of steps of a check, counted before the check; each pair of schema and value counts once."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._steps: dict[tuple[int, int], int] = {}
        self._sizes: dict[int, int] = {}

    def of(self, schema: Form, value: object, depth: int = 0) -> int:
        """Return the number of steps to check `value` against `schema`; raise `TooMuch`."""
        if isinstance(schema, bool):
            return 1
        pair = id(schema), id(value)
        if (known := self._steps.get(pair)) is not None:
            return known
        if depth > DEEPEST:
            raise TooMuch
        self._steps[pair] = 0  # a schema that refers to itself comes back here
        steps = self._own(schema, value)
        for inner, part in self._parts(schema, value):
            steps += self.of(inner, part, depth + 1)
            if steps > MOST:
                raise TooMuch
        if steps > MOST or len(self._steps) > MOST:
            raise TooMuch
        self._steps[pair] = steps
        return steps

    def _own(self, schema: dict[str, Any], value: object) -> int:
        """Return the steps of the keywords without subschemas."""
        steps = 1 + len(schema.get("required", ())) // 8
        if "enum" in schema:
            steps += len(schema["enum"]) * self._size(value) // 10
        if "const" in schema or "uniqueItems" in schema:
            steps += 4 * self._size(value)
        if isinstance(value, str):
            steps += len(value) // (4 if MATCHES in schema else 1_000)
        return steps

    def _size(self, value: object) -> int:
        if not isinstance(value, dict | list):
            return 1
        if id(value) not in self._sizes:
            inner = value.values() if isinstance(value, dict) else value
            self._sizes[id(value)] = 1 + sum(map(self._size, inner))
        return self._sizes[id(value)]

    def _parts(self, schema: dict[str, Any], value: object) -> Iterator[tuple[Form, object]]:
        """Yield the subschemas of a schema, each with the part of the value that it applies to."""
        times = 1 + len(value) if isinstance(value, dict | list) and any(word in schema for word in REST) else 1
        for inner in self._here(schema):
            yield from repeat((inner, value), times)
        if isinstance(value, dict):
            yield from self._members(schema, value)
        elif isinstance(value, list):
            yield from _items(schema, value)

    def _here(self, schema: dict[str, Any]) -> Iterator[Form]:
        """Yield the subschemas that apply to the same value."""
        if "$ref" in schema:
            yield self._plain.referred(schema)
        yield from (schema[keyword] for keyword in ("not", "if", "then", "else") if keyword in schema)
        for keyword in ("allOf", "anyOf", "oneOf"):
            yield from schema.get(keyword, ())
        yield from schema.get("dependentSchemas", {}).values()

    def _members(self, schema: dict[str, Any], value: Mapping[str, object]) -> Iterator[tuple[Form, object]]:
        properties = schema.get("properties", {})
        for name, member in value.items():
            if name in properties:
                yield properties[name], member
            for keyword in ("additionalProperties", "unevaluatedProperties"):
                if keyword in schema:
                    yield schema[keyword], member
            if "propertyNames" in schema:
                yield schema["propertyNames"], name
            for inner in schema.get("patternProperties", {}).values():
                yield NAME, name
                yield inner, member


def _items(schema: dict[str, Any], value: list[object]) -> Iterator[tuple[Form, object]]:
    yield from zip(schema.get("prefixItems", ()), value, strict=False)
    for keyword in ("items", "contains", "unevaluatedItems"):
        if keyword in schema:
            yield from ((schema[keyword], item) for item in value)
