"""Parses JSON written by a site: the result is always a value that UTF-8 can encode, or None."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json


def parse_json(text: str) -> Any:
    """Return the value of a JSON document; None for invalid JSON and for `null`.

    Lone surrogates, which JSON can express and UTF-8 cannot, are replaced.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):  # TypeError: lone surrogates in the text itself
        return _parse_slowly(text)


def _parse_slowly(text: str) -> Any:
    """Parse what the fast parser rejects: a byte-order mark, lone surrogates, deep nesting."""
    try:
        return _without_surrogates(json.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError):
        return None


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value
