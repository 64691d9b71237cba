"""Finds the entries that match a frame, in a time that hardly depends on their number.

All values that entries read are collected in one walk through the document. Which entries match depends on the values
that conditions compare, and on which other values exist, so the result is cached by these: frames of a stream mostly
differ in texts that no condition compares. Paths with steps other than keys and numbers are evaluated each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bridge.sites.site_file.conditions import Condition, Plain, Predicate, compile_check, compile_when
from bridge.sites.site_file.json_paths import JsonPath, Variables, child_of

_MOST_PLANS = 512
_LONGEST_VALUE = 64
"""The longest value in the key of a cached plan, in characters; with the number of plans this bounds their memory."""

T = TypeVar("T")
_Node = list[tuple[str | int, int, "_Node"]]
"""Keys of a container: each with the slot of its value, or -1, and the keys below it."""


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """An entry and its conditions; it does not match without a value at the path `value`."""

    target: T
    when: Mapping[str, Plain | Condition]
    value: JsonPath | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class _Planned(Generic[T]):
    """An entry whose cached conditions hold; `rest` are the others."""

    target: T
    rest: Predicate | None
    value: JsonPath | None
    slot: int


class FrameMatcher(Generic[T]):
    """Entries in order, compiled for matching."""

    def __init__(self, candidates: Sequence[Candidate[T]]) -> None:
        self._root: _Node = []
        self._slots: dict[tuple[str | int, ...], int] = {}
        self._keyed: set[int] = set()
        self._entries = [self._prepared(one) for one in candidates]
        self._key_slots = sorted(self._keyed)
        self._plans: dict[tuple[Any, ...], list[_Planned[T]]] = {}

    def fitting(self, document: Any, variables: Variables) -> list[tuple[T, Sequence[Any]]]:
        """Return the entries that match a frame, each with the values at its `value` path."""
        found: list[Any] = [None] * len(self._slots)
        present = _read(self._root, document, found)
        fits: list[tuple[T, Sequence[Any]]] = []
        for entry in self._plan(found, present, variables.get("$event")):
            if entry.rest is not None and not entry.rest(document, variables):
                continue
            if entry.slot >= 0:
                fits.append((entry.target, (found[entry.slot],)))
            elif entry.value is None:
                fits.append((entry.target, ()))
            elif values := entry.value.values(document, variables):
                fits.append((entry.target, values))
        return fits

    def _plan(self, found: list[Any], present: int, event: Any) -> list[_Planned[T]]:
        key = _key(found, self._key_slots, [event, present])
        if key is None:
            return self._planned(found, event)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._planned(found, event)
            if len(self._plans) < _MOST_PLANS and len(str(event)) <= _LONGEST_VALUE:
                self._plans[key] = plan
        return plan

    def _planned(self, found: list[Any], event: Any) -> list[_Planned[T]]:
        return [
            planned
            for wanted_event, planned, checks in self._entries
            if wanted_event in (None, event)
            and (planned.slot < 0 or found[planned.slot] is not None)
            and all(check(found[slot]) for slot, check in checks)
        ]

    def _prepared(self, one: Candidate[T]) -> tuple[str | None, _Planned[T], list[tuple[int, Callable[[Any], bool]]]]:
        paths = {path: JsonPath(path) for path in one.when}
        plain = [path for path in one.when if paths[path].is_plain]
        checks = [(self._slot(paths[path]), compile_check(one.when[path])) for path in plain]
        self._keyed.update(
            slot for path, (slot, _) in zip(plain, checks, strict=True) if not _is_presence(one.when[path])
        )
        others = {path: wanted for path, wanted in one.when.items() if path not in plain}
        slot = self._slot(one.value) if one.value is not None and one.value.is_plain else -1
        return one.event, _Planned(one.target, compile_when(others) if others else None, one.value, slot), checks

    def _slot(self, path: JsonPath) -> int:
        """Return the slot for the value at a path; add it to the walk if it is new."""
        if path.keys in self._slots:
            return self._slots[path.keys]
        slot = self._slots[path.keys] = len(self._slots)
        node = self._root
        for number, key in enumerate(path.keys):
            is_last = number == len(path.keys) - 1
            at = next((at for at, (known, _, _) in enumerate(node) if known == key), None)
            if at is None:
                node.append((key, slot if is_last else -1, []))
            elif is_last:
                node[at] = (key, slot, node[at][2])
            node = node[-1 if at is None else at][2]
        return slot


def _is_presence(wanted: Plain | Condition) -> bool:
    """Tell whether a condition depends only on whether there is a value."""
    return isinstance(wanted, Condition) and wanted == Condition(exists=wanted.exists)


def _read(node: _Node, value: Any, found: list[Any]) -> int:
    """Put the values below a document into their slots; return the slots with a value as a bit mask."""
    is_dict = type(value) is dict
    present = 0
    for key, slot, below in node:
        inner = value.get(key) if is_dict else child_of(value, key)
        if inner is None:
            continue
        if slot >= 0:
            found[slot] = inner
            present |= 1 << slot
        if below:
            present |= _read(below, inner, found)
    return present


def _key(found: list[Any], slots: list[int], key: list[Any]) -> tuple[Any, ...] | None:
    """Return `key` with the values that conditions compare appended; None if a value is too long to be cached.

    Objects and lists count only by their type: no condition reads inside them.
    """
    for slot in slots:
        value = found[slot]
        kind = type(value)
        if kind is str:
            if len(value) > _LONGEST_VALUE:
                return None
            key.append(value)
        elif value is None or kind is dict or kind is list:
            key.append(kind)
        else:
            key.append((kind, value))
    return tuple(key)
