"""Applies the site's patches to its message tree by the rules of the page's own parser.

Path and operation carry over from frame to frame, separately within each BATCH. A growing text is a `TextNode`,
so that a frame costs the same however long the text already is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.sites.drift import Drift

_DEEPEST_BATCH = 20
_REPLACED_WHOLE = frozenset({"status", "quasi_status", "search_status", "type"})
"""Fields with enumerated values: the older wire format sets them while APPEND still carries over."""


class TextNode:
    """A text of the tree that grows by pieces."""

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)

    def __str__(self) -> str:
        return "".join(self.pieces)


def text_of(value: Any) -> str:
    """Return the text of a node, empty for anything but a text."""
    return str(value) if isinstance(value, str | TextNode) else ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change by a frame, already applied.

    `trail[i]` is the container in which `path[i]` was looked up. `added` is what an APPEND added to the end of
    a text (`str`) or an array (`list`); None if a value was set.
    """

    path: tuple[str, ...]
    trail: tuple[Any, ...]
    added: str | list[Any] | None = None


@dataclass(slots=True)
class _Sticky:
    path: tuple[str, ...] = ()
    op: str = "SET"
    depth: int = 0


class MessageTree:
    """The message of one response, changed in place by each frame."""

    def __init__(self, drift: Drift) -> None:
        self.root: Any = {}
        self.growing: TextNode | None = None
        """The text that a frame with only a string adds to."""
        self._sticky = _Sticky()
        self._drift = drift

    def apply(self, frame: Mapping[str, Any]) -> Iterator[Change]:
        """Apply one frame; yield each change after it is applied."""
        self.growing = None
        value = frame.get("v")
        if len(frame) == 1 and isinstance(value, dict) and isinstance(value.get("response"), dict):
            self._sticky = _Sticky()  # a snapshot, wherever it comes
        yield from self._parse(self._sticky, (), frame)

    def _parse(self, sticky: _Sticky, base: tuple[str, ...], frame: Any) -> Iterator[Change]:
        if not isinstance(frame, Mapping):
            self._drift.note("frame")
            return
        if (path := frame.get("p")) is not None:
            sticky.path = tuple(part for part in str(path).split("/") if part)
        if (op := frame.get("o")) is not None:
            sticky.op = str(op)
        if "v" in frame:
            yield from self._do(sticky, base + sticky.path, frame["v"])
        else:
            self._drift.note("frame", *sorted(frame))

    def _do(self, sticky: _Sticky, path: tuple[str, ...], value: Any) -> Iterator[Change]:
        match sticky.op:
            case "BATCH" if isinstance(value, list) and sticky.depth < _DEEPEST_BATCH:
                inner = _Sticky(depth=sticky.depth + 1)
                for item in value:
                    yield from self._parse(inner, path, item)
                self.growing = None
            case "SET" | "APPEND" as op:
                change = self._put(path, value, append=op == "APPEND")
                if change is None:
                    self._drift.note("path", *path)
                else:
                    yield change
            case op:
                self._drift.note("op", op)

    def _put(self, path: tuple[str, ...], value: Any, *, append: bool) -> Change | None:
        if not path:
            self.root = value
            return Change((), ())
        trail = self._walk(path)
        if trail is None:
            return None
        owner, key = trail[-1], _key(trail[-1], path[-1])
        if append and path[-1] not in _REPLACED_WHOLE and (old := _get(owner, key)) is not None:
            return self._append(path, trail, old, value)
        return Change(path, trail) if _set(owner, key, value) else None

    def _walk(self, path: tuple[str, ...]) -> tuple[Any, ...] | None:
        """Return the containers on the path to its last part, or None if the path does not exist."""
        trail = [self.root]
        for part in path[:-1]:
            trail.append(_get(trail[-1], _key(trail[-1], part)))
        return tuple(trail) if isinstance(trail[-1], dict | list) else None

    def _append(self, path: tuple[str, ...], trail: tuple[Any, ...], old: Any, value: Any) -> Change | None:
        owner, key = trail[-1], _key(trail[-1], path[-1])
        match old:
            case TextNode() | str() if isinstance(value, str):
                words = old if isinstance(old, TextNode) else TextNode(old)
                words.pieces.append(value)
                _set(owner, key, words)
                self.growing = words
                return Change(path, trail, value)
            case list():
                added = value if isinstance(value, list) else [value]
                old.extend(added)
                return Change(path, trail, added)
            case TextNode() | str() | dict():
                return None
            case _:
                return Change(path, trail) if _set(owner, key, value) else None


def _key(owner: Any, part: str) -> str | int:
    """Return a part of a path as a key of its container; negative numbers count from the end."""
    if isinstance(owner, list) and part.removeprefix("-").isdecimal() and len(part) < 9:
        return int(part) + (len(owner) if part.startswith("-") else 0)
    return part


def _get(owner: Any, key: str | int) -> Any:
    match owner, key:
        case dict(), str():
            return owner.get(key)
        case list(), int() if 0 <= key < len(owner):
            return owner[key]
        case _:
            return None


def _set(owner: Any, key: str | int, value: Any) -> bool:
    """Set a value; tell whether the container has such a key."""
    match owner, key:
        case dict(), str():
            owner[key] = value
        case list(), int() if 0 <= key < len(owner):
            owner[key] = value
        case list(), int() if key == len(owner):
            owner.append(value)
        case _:
            return False
    return True
