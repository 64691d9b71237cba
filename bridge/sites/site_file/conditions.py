"""Parses and compiles a site file's conditions on the values at a path; see `json_paths` for paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bridge.sites.site_file.json_paths import NO_VARIABLES, JsonPath, Variables, same

LONGEST_MATCHED = 4096
"""Characters of a value that are searched with a regular expression."""


def _path(text: str) -> str:
    JsonPath(text)
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


Path = Annotated[str, AfterValidator(_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Plain = str | bool | int


class Entry(BaseModel):
    """The base of all tables of a site file: immutable, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(Entry):
    """What the values at a path must be; all given fields must hold."""

    is_in: tuple[Plain, ...] | None = Field(None, alias="in", description="one of them is one of these")
    exists: bool | None = Field(None, description="whether there is any value other than null")
    matches: Pattern | None = Field(None, description="regular expression that is found in one of them")
    is_not: Plain | None = Field(None, alias="not", description="none of them is this one")
    at_least: float | None = Field(None, description="one of them is a number that is not smaller")


When = dict[Path, Plain | Condition]
"""Conditions by path; all must hold. A plain value must be equal to one of the values there."""

Predicate = Callable[[Any, Variables], bool]
"""Tells whether conditions hold for a document and its variables; never raises."""
_Check = Callable[[list[Any]], bool]


def compile_when(when: Mapping[str, Plain | Condition]) -> Predicate:
    """Return the conditions as one function."""
    tests = [_test(JsonPath(path), wanted) for path, wanted in when.items()]
    match tests:
        case []:
            return lambda document, variables: True
        case [one]:
            return one
        case [one, other]:
            return lambda document, variables: one(document, variables) and other(document, variables)
        case _:
            return lambda document, variables: all(test(document, variables) for test in tests)


def compile_check(wanted: Plain | Condition) -> Callable[[Any], bool]:
    """Return a condition as a function of the only value that a path can find, or of None."""
    if not isinstance(wanted, Condition):
        return lambda value: same(value, wanted)
    checks = _checks(wanted)
    return lambda value: _all_hold(checks, [] if value is None else [value])


def holds(when: Mapping[str, Plain | Condition], document: Any, variables: Variables = NO_VARIABLES) -> bool:
    """Tell whether all conditions hold; for conditions that are evaluated only once."""
    return compile_when(when)(document, variables)


def _test(path: JsonPath, wanted: Plain | Condition) -> Predicate:
    if not isinstance(wanted, Condition):
        if path.is_single:
            return lambda document, variables: same(path.first(document, variables), wanted)
        return lambda document, variables: any(same(value, wanted) for value in path.values(document, variables))
    checks = _checks(wanted)
    return lambda document, variables: _all_hold(checks, path.values(document, variables))


def _all_hold(checks: list[_Check], values: list[Any]) -> bool:
    return all(check(values) for check in checks)


def _checks(condition: Condition) -> list[_Check]:
    checks: list[_Check] = []
    if (choices := condition.is_in) is not None:
        checks.append(lambda values: any(same(value, choice) for value in values for choice in choices))
    if (exists := condition.exists) is not None:
        checks.append(lambda values: bool(values) is exists)
    if condition.matches is not None:
        find = re.compile(condition.matches).search
        checks.append(lambda values: any(isinstance(value, str) and find(value[:LONGEST_MATCHED]) for value in values))
    if (other := condition.is_not) is not None:
        checks.append(lambda values: not any(same(value, other) for value in values))
    if (least := condition.at_least) is not None:
        checks.append(lambda values: any(_is_number(value) and value >= least for value in values))
    return checks


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
