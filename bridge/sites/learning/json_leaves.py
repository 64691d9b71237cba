"""Lists the values of a JSON document with their paths, as site files write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from bridge.sites.lenient_json import parse_json

MOST = 3000
DEEPEST = 24
LONGEST_KEY = 64
EMPTY = None
"""The value of an empty object."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


class Leaf(NamedTuple):
    """A text, number, boolean or empty object; `from_end` is its path with list elements counted from the end."""

    path: str
    from_end: str
    value: Any


def leaves(document: Any) -> list[Leaf]:
    """Return at most `MOST` values of a document, including those in JSON within strings."""
    found: list[Leaf] = []
    for leaf in _walk(document, "", "", 0):
        found.append(leaf)
        if len(found) >= MOST:
            break
    return found


def _walk(value: Any, path: str, from_end: str, depth: int) -> Iterator[Leaf]:
    if depth > DEEPEST:
        return
    match value:
        case dict() if not value:
            yield Leaf(path, from_end, EMPTY)
        case dict() | list():
            for step, step_from_end, child in _children(value, dot="." if path else ""):
                yield from _walk(child, path + step, from_end + step_from_end, depth + 1)
        case str() | bool() | int() | float():
            yield Leaf(path, from_end, value)
            if isinstance(value, str) and path and isinstance(inner := _nested(value), dict | list):
                yield from _walk(inner, f"{path}|json", f"{from_end}|json", depth + 1)


def _children(value: dict[str, Any] | list[Any], dot: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the step to each child, counted from the start and from the end, and the child."""
    if isinstance(value, list):
        yield from ((f"[{at}]", f"[{at - len(value)}]", child) for at, child in enumerate(value))
    else:
        steps = ((_step(key), child) for key, child in value.items())
        yield from ((dot + step, dot + step, child) for step, child in steps if step is not None)


def _nested(text: str) -> Any:
    return parse_json(text) if len(text) > 1 and text[0] in "{[" else None


def _step(key: str) -> str | None:
    """Return a key as a path writes it; None for one that cannot be written or is not a name."""
    if _PLAIN_KEY.fullmatch(key):
        return key if len(key) <= LONGEST_KEY else None
    return None if not key or "'" in key or not key.isprintable() or len(key) > LONGEST_KEY else f"'{key}'"
