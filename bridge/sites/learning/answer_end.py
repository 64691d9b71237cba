"""Finds what shows the end of an answer: a mark in a frame at or after its last text, and in none before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.sites.learning.answer_text import AnswerText, TurnFrames
from bridge.sites.learning.guards import KIND, Guard, matches, may_stay
from bridge.sites.learning.tracks import EVENT, ReadFrame

ENDS = re.compile(r"done|finish|complete|stop|end(ed)?$|success|close", re.IGNORECASE)
STATES = re.compile(
    r"(status|state|reason|phase|done|finish\w*|stop\w*|complete\w*|is_?end|final|last)$", re.IGNORECASE
)
WEAK = 2


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """How the answer ends: conditions on a frame, a payload that is not a document, or the end of the response."""

    guard: Guard
    marker: str = ""
    on_close: bool = False
    is_certain: bool = True


def find_end(found: AnswerText) -> AnswerEnd | None:
    """Return what ends the answer in all turns, or None."""
    if marker := _marker(found):
        return AnswerEnd({}, marker)
    guard = next((rule.guard for rule in reversed(found.rules) if rule.emit == "text"), {})
    marks = [_marks(turn, last, guard) for turn, last in zip(found.turns, found.last, strict=True)]
    shared = {key: strength for key, strength in marks[0].items() if all(key in other for other in marks)}
    if shared:
        best = max(shared, key=lambda key: (shared[key], -len(key[0])))
        return AnswerEnd(_guard(found, *best), is_certain=shared[best] > WEAK and len(marks) > 1)
    if found.stream.call.is_over and not found.stream.call.is_socket:
        return AnswerEnd({}, on_close=True)
    return None


def _marker(found: AnswerText) -> str:
    """Return a payload after the last text that is not JSON while the stream's others are; empty without one."""
    if found.stream.payload != "json" or found.stream.framing != "sse":
        return ""
    marks = [
        {
            frame.frame.raw
            for frame in turn.frames[last + 1 :]
            if isinstance(frame.frame.document, str) and 0 < len(frame.frame.raw) < 30
        }
        for turn, last in zip(found.turns, found.last, strict=True)
    ]
    shared = set.intersection(*marks)
    return min((mark for mark in shared if mark.isprintable()), default="")


_Mark = tuple[str, Any]


def _marks(turn: TurnFrames, last: int, guard: Guard) -> Mapping[_Mark, int]:
    """Return the marks that first appear in the last frame with text, or after it, with the strength of each.

    A mark in a frame of the text's own kind only needs to be new for that kind, because thinking has an end, too.
    """
    before = turn.frames[:last]
    said, said_by_kind = _said(before), _said([frame for frame in before if matches(guard, frame)])
    there = frozenset(path for frame in before for path in frame.paths)
    found: dict[_Mark, int] = {}
    for frame in turn.frames[last:]:
        known = said_by_kind if matches(guard, frame) else said
        for path, value in frame.plain.items():
            if (path, type(value), value) not in known and may_stay(path, value):
                found.setdefault((path, value), _strength(path, value))
        for path in frame.paths - there - frame.plain.keys() - frame.texts.keys():
            found.setdefault((path, None), 3 if ENDS.search(path) else 0)
    return {mark: strength for mark, strength in found.items() if strength > 0}


def _said(frames: Sequence[ReadFrame]) -> set[tuple[str, type, Any]]:
    return {(path, type(value), value) for frame in frames for path, value in frame.plain.items()}


def _strength(path: str, value: Any) -> int:
    match value:
        case True:
            return 4 if STATES.search(path) or ENDS.search(path) else 1
        case str() if ENDS.search(value):
            return 4 if STATES.search(path) or KIND.search(path) or path == EVENT else 2
        case str() if STATES.search(path) or path == EVENT:
            return 2
        case _:
            return 1 if KIND.search(path) else 0


def _guard(found: AnswerText, path: str, value: Any) -> Guard:
    """Return the conditions for a mark and for the kind of the text's frames, because thinking has an end, too."""
    own: Guard = {path: {"exists": True} if value is None else value}
    frames = [_first(turn, last, path, value) for turn, last in zip(found.turns, found.last, strict=True)]
    for rule in found.rules:
        if rule.emit == "text":
            shared = {
                key: said for key, said in rule.guard.items() if all(frame.plain.get(key) == said for frame in frames)
            }
            return shared | own
    return own


def _first(turn: TurnFrames, last: int, path: str, value: Any) -> ReadFrame:
    return next(
        frame
        for frame in turn.frames[last:]
        if (path in frame.paths if value is None else frame.plain.get(path) == value)
    )
