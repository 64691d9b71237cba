"""The wire format of a changing message: patches that inherit the path and operation of the one before.

The site updates its own copy of a message by the same rules as the page, so both always agree.
"""

from __future__ import annotations

import json
from typing import Any

Json = Any


def apply(state: Json, path: str, op: str, value: Json) -> None:
    """Apply one patch to a state, in place; the path must not be empty."""
    if op == "BATCH":
        _apply_batch(state, path, value)
        return
    *parents, last = path.split("/")
    target = state
    for part in parents:
        target = target[_key(target, part)]
    key = _key(target, last)
    if op == "APPEND" and isinstance(target, dict):
        target[key] = value if target.get(key) is None else target[key] + value
    elif op == "APPEND":
        target[key] += value
    else:
        target[key] = value


def _apply_batch(state: Json, path: str, items: Json) -> None:
    inner_path, inner_op = "", "SET"
    for item in items:
        inner_path, inner_op = item.get("p", inner_path), item.get("o", inner_op)
        apply(state, f"{path}/{inner_path}", inner_op, item["v"])


def _key(target: Json, part: str) -> Json:
    return int(part) if isinstance(target, list) else part


def encode_json(value: Json) -> str:
    """Return compact JSON without ASCII escapes, as the site writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encode_event(data: Json, name: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {encode_json(data)}\n\n".encode()


class PatchEncoder:
    """An encoder of one stream's patches, which omits an unchanged path or operation."""

    def __init__(self) -> None:
        self._path = ""
        self._op = "SET"

    def snapshot(self, state: Json) -> bytes:
        """Return the whole state, as a patch at the empty path."""
        return self.encode("", "SET", state)

    def encode(self, path: str, op: str, value: Json) -> bytes:
        """Return one patch."""
        patch: dict[str, Json] = {}
        if path != self._path:
            patch["p"] = path
        if op != self._op:
            patch["o"] = op
        self._path, self._op = path, op
        patch["v"] = value
        return encode_event(patch)
