"""Reads JSON that a site wrote: whatever it is, the result is a value that UTF-8 can carry, or None."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json


def parse_json(text: str) -> Any:
    """Return the value of a JSON document; None for anything that is none, and for `null`.

    Halves of surrogate pairs, which JSON can write and UTF-8 cannot, are replaced.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):  # the latter: halves that are in the text itself
        return _parse_slowly(text)


def _parse_slowly(text: str) -> Any:
    """Read what the fast parser does not take: a byte-order mark, halves of pairs, deep nesting."""
    try:
        return _without_halves(json.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError):
        return None


def _without_halves(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_halves(item) for item in value]
        case dict():
            return {_without_halves(key): _without_halves(item) for key, item in value.items()}
        case _:
            return value
