"""Finds the smallest conditions that hold for some frames and for none of some others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.sites.learning.tracks import EVENT, ReadFrame

Guard = dict[str, Any]
"""Conditions as in `when` of a site file."""
KIND = re.compile(
    r"(^|[._\]])(type|kind|phase|event|msg|op|o|p|mask|mime_?type|cmd|action|stage|object|role|channel)$|\[0\]$",
    re.IGNORECASE,
)
"""Keys that name the kind of a frame."""
WORD = re.compile(r"[\w./:+-]{1,60}")
NOT_CONSTANT = re.compile(
    r"(id|uuid|hash|token|time|timestamp|ts|date|created\w*|updated\w*|seq|index|offset|count|number|title|url|usage|tokens?|size|length|latency|fingerprint)$",
    re.IGNORECASE,
)
"""Keys whose value differs in the next chat, whatever it was in those seen."""
ID_LIKE = re.compile(r"[0-9a-f-]{12,}|\d{6,}|(?=\D*\d)[\w-]{16,}", re.IGNORECASE)
MOST_GROUPS = 3


def guards(positive: Sequence[ReadFrame], negative: Sequence[ReadFrame], own: str = "") -> list[Guard] | None:
    """Return guards of which one holds for each positive frame, and none for a negative one; None if there are none.

    `own` is the path of the text itself, which is not used in conditions.
    """
    kept, rest = _separated(_constants(positive, own), list(negative))
    if not rest:
        return [_with_kind(kept, positive, own)]
    if absent := _absent(positive, rest, own):
        return [_with_kind(kept, positive, own) | {absent: {"exists": False}}]
    return _split(positive, negative, own)


def matches(guard: Guard, frame: ReadFrame) -> bool:
    """Tell whether a guard made by this module holds for a frame."""
    for path, wanted in guard.items():
        if isinstance(wanted, dict):
            if (path in frame.paths or path in frame.plain) is not wanted["exists"]:
                return False
        elif not _same(frame.plain.get(path), wanted):
            return False
    return True


def kinds(frame: ReadFrame, own: str = "") -> Guard:
    """Return the fields with which a frame names its kind."""
    return {path: value for path, value in _constants([frame], own).items() if _is_kind(path, value)}


def _constants(frames: Sequence[ReadFrame], own: str) -> Mapping[str, Any]:
    """Return the values that are equal in all frames, and may be so in all other chats."""
    if not frames:
        return {}
    shared = {path: value for path, value in frames[0].plain.items() if path != own and may_stay(path, value)}
    for frame in frames[1:]:
        shared = {path: value for path, value in shared.items() if _same(frame.plain.get(path), value)}
    return shared


def may_stay(path: str, value: Any) -> bool:
    """Tell whether a value may be the same in another chat."""
    if path == EVENT or isinstance(value, bool):
        return True
    key = re.sub(r"\[-?\d+\]", "", path).rpartition(".")[2]
    if isinstance(value, int):
        return KIND.search(path) is not None
    return not NOT_CONSTANT.search(key) and not ID_LIKE.fullmatch(value) and value.isprintable()


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _separated(constants: Mapping[str, Any], rest: list[ReadFrame]) -> tuple[Guard, list[ReadFrame]]:
    """Add conditions one by one, always the one that excludes most; return them and the frames that none excludes."""
    kept: Guard = {}
    while rest:
        left = {
            path: [frame for frame in rest if _same(frame.plain.get(path), value)] for path, value in constants.items()
        }
        best = min(
            left, key=lambda path: (len(left[path]), not _is_kind(path, constants[path]), len(path)), default=None
        )
        if best is None or len(left[best]) == len(rest):
            break
        kept[best], rest = constants[best], left[best]
    return kept, rest


def _with_kind(kept: Guard, positive: Sequence[ReadFrame], own: str) -> Guard:
    """Add the kind that all positive frames share, because unseen frames of other kinds may come."""
    shared = _constants(positive, own)
    return kept | {path: value for path, value in shared.items() if _is_kind(path, value) and _is_around(path, own)}


def _is_around(path: str, own: str) -> bool:
    """Tell whether a field is in one of the objects or lists that contain the text."""
    around = max(path.rfind("."), path.rfind("["))
    return around <= 0 or own.startswith(path[:around])


def _is_kind(path: str, value: Any) -> bool:
    is_word = isinstance(value, int) or WORD.fullmatch(value) is not None
    return path == EVENT or (KIND.search(path) is not None and is_word and not isinstance(value, bool))


def _absent(positive: Sequence[ReadFrame], rest: Sequence[ReadFrame], own: str) -> str | None:
    """Return a path that all frames of the rest have and no positive frame has, or None."""
    shared = frozenset.intersection(*(frame.paths for frame in rest)) if rest else frozenset[str]()
    used = {path for frame in positive for path in frame.paths}
    return min(
        (path for path in shared - used if path and path != own), key=lambda path: (len(path), path), default=None
    )


def _split(positive: Sequence[ReadFrame], negative: Sequence[ReadFrame], own: str) -> list[Guard] | None:
    """Find a path whose values distinguish the two, and return a guard for each value of the positive frames."""
    paths = sorted(
        {path for frame in (*positive, *negative) for path in frame.plain if path != own},
        key=lambda path: (not KIND.search(path), len(path), path),
    )
    for path in paths:
        mine = {frame.plain.get(path) for frame in positive}
        if len(mine) <= MOST_GROUPS and not mine & {frame.plain.get(path) for frame in negative}:
            given = sorted((value for value in mine if value is not None), key=str)
            absent: list[Guard] = [{path: {"exists": False}}] if None in mine else []
            return [*(_of_value(path, value, positive, own) for value in given), *absent]
    return None


def _of_value(path: str, value: Any, positive: Sequence[ReadFrame], own: str) -> Guard:
    return _with_kind({path: value}, [frame for frame in positive if _same(frame.plain.get(path), value)], own)
