"""Finds the text of an answer: its call, its path, how its pieces make up the text, and the guards of its frames.

The text that the page shows is known. Of all texts at all paths of all responses, those that repeat it letter by letter
in each of the turns are the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridge.sites.learning.frames import Stream, stream_of
from bridge.sites.learning.guards import Guard, guards, kinds
from bridge.sites.learning.letters import letters, overlap
from bridge.sites.learning.observation import SeenCall, SeenTurn
from bridge.sites.learning.prompt_request import address_pattern
from bridge.sites.learning.tracks import ReadFrame, Track, read_frames, tracks_of

ENOUGH = 0.55
"""The least share of the answer at a path for the path to count as its place."""
STREAMED = 3
"""The least number of pieces of a streamed answer."""
THOUGHTS = re.compile(r"think|reason|thought|cot\b", re.IGNORECASE)
LONGEST_GAP = 2000


@dataclass(frozen=True, slots=True)
class TurnFrames:
    """The frames of one kind of calls in one turn, and the letters of its answer and prompt."""

    streams: tuple[Stream, ...]
    frames: tuple[ReadFrame, ...]
    truth: str
    prompt: str


@dataclass(frozen=True, slots=True)
class TextRule:
    """One place of text in the frames."""

    emit: Literal["text", "thinking"]
    path: str
    guard: Guard
    mode: Literal["delta", "cumulative"]
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The place of the answer."""

    turns: tuple[TurnFrames, ...]
    rules: tuple[TextRule, ...]
    share: float
    """The share of the answer at the main path, in the turn with the least."""
    last: tuple[int, ...]
    """The number of the last frame with text, for each turn."""
    first: tuple[int, ...]

    @property
    def stream(self) -> Stream:
        """Return the stream that had the answer to the first prompt."""
        turn = self.turns[0]
        number = turn.frames[self.last[0]].frame.number
        return next(stream for stream in turn.streams if stream.call.number == number)


def find_answer(turns: Sequence[SeenTurn], prefer: str) -> AnswerText | None:
    """Find the answer in the turns; `prefer` is the kind of the calls that carried the prompts."""
    kinds_of_calls = sorted({kind_of(call) for call in turns[0].calls}, key=lambda kind: (kind != prefer, kind))
    found = [one for kind in kinds_of_calls if (one := _in_calls(turns, kind))]
    return max(found, key=lambda one: _rank(one, prefer), default=None)


def kind_of(call: SeenCall) -> str:
    """Return the kind of a call: its method, and its path without ids."""
    return f"{call.method} {address_pattern([call.url])}"


def _rank(found: AnswerText, prefer: str) -> tuple[bool, bool, float]:
    pieces = min(last - first for first, last in zip(found.first, found.last, strict=True))
    return pieces + 1 >= STREAMED, kind_of(found.stream.call) == prefer, round(found.share, 1)


def _in_calls(turns: Sequence[SeenTurn], kind: str) -> AnswerText | None:
    read = tuple(_turn_frames(turn, kind) for turn in turns)
    if not all(turn.frames for turn in read):
        return None
    tracks = [tracks_of(turn.frames) for turn in read]
    shares = {
        path: min(_share(found.get(path), turn) for found, turn in zip(tracks, read, strict=True)) for path in tracks[0]
    }
    good = [path for path, share in shares.items() if share >= ENOUGH]
    best = max(good, key=lambda path: _preference(path, shares[path], tracks), default=None)
    if best is None:
        return None
    return _described(read, best, [found[best] for found in tracks], shares[best])


def _turn_frames(turn: SeenTurn, kind: str) -> TurnFrames:
    streams = tuple(one for call in turn.calls if kind_of(call) == kind and (one := stream_of(call, turn.began)))
    return TurnFrames(streams, tuple(read_frames(streams)), truth_of(turn), letters(turn.prompt))


def truth_of(turn: SeenTurn) -> str:
    """Return the letters of the answer: the text to repeat if the page shows that, else all that it shows."""
    wanted, visible = letters(turn.wanted), letters(turn.visible)
    return wanted if wanted and wanted in visible else visible


def _share(track: Track | None, turn: TurnFrames) -> float:
    return track.overlap(turn.truth).share if track else 0.0


def _preference(
    path: str, share: float, tracks: Sequence[Mapping[str, Track]]
) -> tuple[bool, bool, float, int, bool, int]:
    """Return the sort key of a path: streamed, not thinking, more of the answer, counted from the start, short."""
    counts = min(len(found[path].values) for found in tracks)
    return (
        counts >= STREAMED,
        not THOUGHTS.search(path),
        round(share, 1),
        min(counts, STREAMED),
        "[-" not in path,
        -len(path),
    )


def _described(turns: tuple[TurnFrames, ...], path: str, tracks: list[Track], share: float) -> AnswerText:
    positive, negative = list[ReadFrame](), list[ReadFrame]()
    first, last = list[int](), list[int]()
    for turn, track in zip(turns, tracks, strict=True):
        belongs = track.belonging(turn.truth)
        mine = [number for (number, _), one in zip(track.values, belongs, strict=True) if one]
        first.append(mine[0] if mine else 0)
        last.append(mine[-1] if mine else len(turn.frames) - 1)
        for (number, _), bare, one in zip(track.values, track.bare, belongs, strict=True):
            if one:
                positive.append(turn.frames[number])
            elif bare:
                negative.append(turn.frames[number])
    positive, thoughts = _without_thoughts(positive)
    negative = _unlike(negative, positive, path)
    rules = _text_rules(path, tracks[0].mode, positive, negative + thoughts)
    thoughts += [frame for frame in negative if _is_thought(frame)]
    gaps = _opening(turns, tracks, first, path)
    thinking = _thinking(turns, path, rules, thoughts)
    return AnswerText(turns, (*gaps, *rules, *thinking), share, tuple(last), tuple(first))


def _text_rules(
    path: str, mode: Literal["delta", "cumulative"], positive: list[ReadFrame], negative: list[ReadFrame]
) -> list[TextRule]:
    """Return a rule for each guard; if no guard separates the frames, the rules are not certain."""
    found = guards(positive, negative, path)
    if found is None:
        return [TextRule("text", path, guard, mode, is_certain=False) for guard in guards(positive, (), path) or [{}]]
    return [TextRule("text", path, guard, mode) for guard in found]


def _unlike(negative: list[ReadFrame], positive: list[ReadFrame], path: str) -> list[ReadFrame]:
    """Return the frames of other kinds; one of the same kind may be text that the page leaves out, as list numbers."""
    known = {(frame.paths, tuple(kinds(frame, path).items())) for frame in positive}
    return [frame for frame in negative if (frame.paths, tuple(kinds(frame, path).items())) not in known]


def _without_thoughts(frames: list[ReadFrame]) -> tuple[list[ReadFrame], list[ReadFrame]]:
    """Separate the frames named as thinking from the others, because a page may show both."""
    thoughts = [frame for frame in frames if _is_thought(frame)]
    return (frames, []) if len(thoughts) == len(frames) else ([one for one in frames if one not in thoughts], thoughts)


def _is_thought(frame: ReadFrame) -> bool:
    return any(isinstance(value, str) and THOUGHTS.search(value) for value in kinds(frame).values())


def _opening(turns: Sequence[TurnFrames], tracks: Sequence[Track], first: Sequence[int], path: str) -> list[TextRule]:
    """Return the rules for the beginning of the answer, if that came in other frames than the rest."""
    gaps = [_gap(turn, track) for turn, track in zip(turns, tracks, strict=True)]
    ways = [_ways(turn, number, gap, path) for turn, number, gap in zip(turns, first, gaps, strict=True) if gap]
    if not ways:
        return []
    shared = [way for way in ways[0] if all(way in other for other in ways)]
    if not shared:
        return []
    best = max(shared, key=lambda way: (len(ways[0][way][1]), "[-" not in way, -len(way)))
    positive = [one[best][0] for one in ways]
    others = [frame for turn in turns for frame in turn.frames if frame.texts.get(best) and frame not in positive]
    found = guards(positive, others, best)
    return [TextRule("text", best, guard, "delta", is_certain=bool(len(ways) > 1)) for guard in found or []]


def _gap(turn: TurnFrames, track: Track) -> str:
    """Return the letters of the answer before those at the main path."""
    belongs = track.belonging(turn.truth)
    said = "".join(piece for piece, one in zip(track.pieces, belongs, strict=True) if one)
    for size in (12, 6):
        at = turn.truth.find(said[:size])
        if at >= 0:
            return turn.truth[:at] if at < LONGEST_GAP else ""
    return ""


def _ways(turn: TurnFrames, first: int, gap: str, path: str) -> dict[str, tuple[ReadFrame, str]]:
    """Return the paths at which an earlier frame has the end of the missing letters."""
    found: dict[str, tuple[ReadFrame, str]] = {}
    for frame in turn.frames[: first + 1]:
        for other, text in frame.texts.items():
            bare = letters(text)
            if other != path and bare and gap.endswith(bare) and overlap(bare, gap).share > 0:
                found[other] = (frame, bare)
    return found


def _thinking(
    turns: Sequence[TurnFrames], path: str, rules: Sequence[TextRule], thoughts: list[ReadFrame]
) -> list[TextRule]:
    """Return the rules for text named as thinking: at the same path, or at a separate one."""
    if thoughts:
        spoken = (frame for turn in turns for frame in turn.frames if frame.texts.get(path))
        rest = [frame for frame in spoken if not _is_thought(frame)]
        return [
            TextRule("thinking", path, guard, "delta", is_certain=False) for guard in guards(thoughts, rest, path) or []
        ]
    found = list[TextRule]()
    for turn, track in _thinking_tracks(turns):
        frames = [turn.frames[number] for number, _ in track.values]
        found += [
            TextRule("thinking", track.path, guard, track.mode, is_certain=False)
            for guard in guards(frames, (), track.path) or []
        ]
    return found[:2]


def _thinking_tracks(turns: Sequence[TurnFrames]) -> list[tuple[TurnFrames, Track]]:
    """Return the tracks at paths named as thinking, each from the turn with most of it."""
    longest: dict[str, tuple[TurnFrames, Track]] = {}
    for turn in turns:
        for path, track in tracks_of(turn.frames).items():
            is_named = THOUGHTS.search(path) is not None and "[-" not in path
            is_streamed = sum(map(len, track.pieces)) > 0 and len(track.values) >= STREAMED
            if is_named and is_streamed and (path not in longest or len(longest[path][1].values) < len(track.values)):
                longest[path] = turn, track
    return list(longest.values())


def as_when(guard: Guard) -> dict[str, Any]:
    """Return a guard as a site file writes it."""
    return dict(sorted(guard.items()))
