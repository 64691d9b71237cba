"""Paths into JSON documents: compiled once, and evaluated without exceptions, whatever the document is.

A path is a list of keys separated by dots; a key with characters other than letters, digits, `_`, `-` and `$` is in
single quotes. A key may be followed by steps in brackets, and a path may begin with them:

    messages[0].content           an element by its number; `[-1]` is the last one
    parts[*].content              all elements
    content[type=text].text       the elements with that value at the key; `[type!=text]` all others
    [1][0=append][2]              in a list the key is a number
    'response.created'.chat_id    a key with a dot
    draft_content|json.prompt     a JSON document inside a string
    data.{job}.status             a key that is known only at run time
    $event                        a value outside the document: see `Variables`

A path finds all values that it matches; `null` counts as no value. Each step visits each value once, so the time is
linear in the size of the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bridge.sites.lenient_json import parse_json

Variables = Mapping[str, Any]
"""The values for paths that begin with `$`: `$event` (the name of the server-sent event), `$status` (HTTP), `$url`,
`$query` (of the address, by name), `$path` (of the address, segments by number), `$body` (the body as text)."""
NO_VARIABLES: Variables = MappingProxyType({})

_KEY = r"'(?P<quoted>[^']+)'|\{(?P<variable>\w+)\}|(?P<key>[$\w-]+)"
_BRACKETS = r"\[(?:(?P<number>-?\d{1,9})|(?P<all>\*)|(?P<name>[\w-]+)(?P<sign>!?=)(?P<value>[^\[\]]*))\]"
_TOKEN = re.compile(rf"\.?(?:{_KEY})|{_BRACKETS}|(?P<json>\|json)(?=[.\[]|$)")

_Step = Callable[[list[Any], Variables], list[Any]]


class JsonPath:
    """A compiled path; raises `ValueError` for invalid text."""

    __slots__ = ("_from_variables", "_steps", "keys", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        tokens = _tokens(text)
        self._from_variables = text.startswith("$")
        plain = next((at for at, token in enumerate(tokens) if not _is_plain(token)), len(tokens))
        self.keys = tuple(_key_of(token) for token in tokens[:plain])
        """The keys, and numbers of elements, at the beginning of the path; all of it if it `is_single`."""
        self._steps = tuple(_step(token) for token in tokens[plain:])

    @property
    def is_single(self) -> bool:
        """Tell whether it has only keys and numbers, so that it finds at most one value."""
        return not self._steps

    @property
    def is_plain(self) -> bool:
        """Tell whether it `is_single` and reads the document, not variables."""
        return not self._steps and not self._from_variables

    def first(self, document: Any, variables: Variables = NO_VARIABLES) -> Any:
        """Return the first value, or None."""
        value = variables if self._from_variables else document
        for key in self.keys:
            value = value.get(key) if type(value) is dict else child_of(value, key)
            if value is None:
                return None
        if not self._steps:
            return value
        return next(iter(self._walk(value, variables)), None)

    def values(self, document: Any, variables: Variables = NO_VARIABLES) -> list[Any]:
        """Return all values, in the order of the document."""
        value = variables if self._from_variables else document
        for key in self.keys:
            value = child_of(value, key)
            if value is None:
                return []
        return self._walk(value, variables)

    def _walk(self, value: Any, variables: Variables) -> list[Any]:
        values = [value]
        for step in self._steps:
            values = step(values, variables)
        return [value for value in values if value is not None]


def same(value: Any, plain: str | bool | int) -> bool:
    """Tell whether a value of a document equals `plain`; true and 1 differ."""
    return bool(value == plain) and isinstance(value, bool) is isinstance(plain, bool)


def as_id(value: Any) -> str:
    """Return an id as text, empty if the value is not an id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 1 << 128 else ""
    return value[:_LONGEST_ID] if isinstance(value, str) else ""


_LONGEST_ID = 512


def _tokens(text: str) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    at = 0
    while at < len(text) and (token := _TOKEN.match(text, at)):
        is_key = token.lastgroup in ("quoted", "variable", "key")
        if is_key and token[0].startswith(".") is (at == 0):
            break
        tokens.append(token)
        at = token.end()
    if not text or at < len(text):
        raise ValueError(f"'{text[:80]}' is not a path; separate keys by dots, as in messages[-1].content")
    return tokens


def _is_plain(token: re.Match[str]) -> bool:
    return token.lastgroup in ("quoted", "key", "number")


def _key_of(token: re.Match[str]) -> str | int:
    return int(token["number"]) if token["number"] else token["quoted"] or token["key"]


def child_of(value: Any, key: str | int) -> Any:
    """Return the value at a key or number of a container, or None."""
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list):
        if isinstance(key, str):
            if not key.isdecimal() or len(key) > 9:
                return None
            key = int(key)
        return value[key] if -len(value) <= key < len(value) else None
    return None


def _step(token: re.Match[str]) -> _Step:
    """Return the function that a token applies to the values found so far."""
    match token.lastgroup:
        case "all":
            return lambda values, _: [item for value in values if isinstance(value, list) for item in value]
        case "value":
            return _chosen(token["name"], token["value"], wanted=token["sign"] == "=")
        case "variable":
            return _named("$" + token["variable"])
        case "json":
            return lambda values, _: [parse_json(value) for value in values if isinstance(value, str)]
        case _:
            key = _key_of(token)
            return lambda values, _: [child_of(value, key) for value in values]


def _chosen(name: str, wanted_text: str, *, wanted: bool) -> _Step:
    def step(values: list[Any], _: Variables) -> list[Any]:
        items = [item for value in values if isinstance(value, list) for item in value]
        return [item for item in items if (_plain_text(child_of(item, name)) == wanted_text) is wanted]

    return step


def _named(variable: str) -> _Step:
    def step(values: list[Any], variables: Variables) -> list[Any]:
        key = as_id(variables.get(variable))
        return [child_of(value, key) for value in values] if key else []

    return step


def _plain_text(value: Any) -> str | None:
    """Return a scalar as a site file writes it; None for anything else."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return as_id(value)
        case _:
            return None
