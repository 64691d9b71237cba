"""Reads JSON that a site wrote: whatever it is, the result is a value that UTF-8 can carry, or None."""

from __future__ import annotations

import json
from typing import Any

_DECODE = json.JSONDecoder().raw_decode


def parse_json(text: str) -> Any:
    """Return the value of a JSON document; None for anything that is none, and for `null`.

    Halves of surrogate pairs, which JSON can write and UTF-8 cannot, are replaced.
    """
    text = text.lstrip("\ufeff \t\r\n")
    try:
        value, end = _DECODE(text)
        if end != len(text):
            value = json.loads(text)
        return _without_halves(value) if "\\u" in text else value
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
