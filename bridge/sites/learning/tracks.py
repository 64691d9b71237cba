"""Collects the texts at each path of a stream's frames, and finds out how they make up one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

from bridge.sites.learning.frames import Frame, Stream
from bridge.sites.learning.json_leaves import Leaf, leaves
from bridge.sites.learning.letters import Overlap, belonging, letters, overlap

BARE = "$text"
"""The path of a payload that is plain text."""
EVENT = "$event"
MOST_FRAMES = 20_000
LONGEST_PLAIN = 60


@dataclass(frozen=True)
class ReadFrame:
    """A frame with the values of its document."""

    frame: Frame
    leaves: tuple[Leaf, ...]

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """Return the texts by path, counted from either end."""
        texts = {path: leaf.value for leaf in self.leaves if isinstance(leaf.value, str) for path in leaf[:2]}
        return texts | ({BARE: self.frame.document} if isinstance(self.frame.document, str) else {})

    @cached_property
    def plain(self) -> Mapping[str, str | bool | int]:
        """Return the values that conditions can use: short texts, numbers, booleans, and the name of the event."""
        found = {leaf.path: leaf.value for leaf in self.leaves if _is_plain(leaf.value)}
        return found | ({EVENT: self.frame.event} if self.frame.event else {})

    @cached_property
    def paths(self) -> frozenset[str]:
        """Return all paths with a value, including those of objects."""
        return frozenset(prefix for leaf in self.leaves for prefix in _prefixes(leaf.path))


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, str) and 0 < len(value) <= LONGEST_PLAIN)


def _prefixes(path: str) -> Iterator[str]:
    yield path
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def read_frames(streams: Iterable[Stream]) -> list[ReadFrame]:
    """Return the frames of some streams with their values, in order of time."""
    frames = sorted((frame for stream in streams for frame in stream.frames), key=lambda frame: frame.time)
    return [_read(frame) for frame in frames[:MOST_FRAMES]]


def _read(frame: Frame) -> ReadFrame:
    document = frame.raw if frame.document is None else frame.document
    if isinstance(document, str):
        return ReadFrame(Frame(frame.time, document, frame.raw, frame.event, frame.number), ())
    return ReadFrame(frame, tuple(leaves(document)))


@dataclass(frozen=True)
class Track:
    """The texts at a path, each with the number of its frame."""

    path: str
    values: tuple[tuple[int, str], ...]

    @cached_property
    def bare(self) -> list[str]:
        """Return the letters of each text."""
        return [letters(text) for _, text in self.values]

    @cached_property
    def mode(self) -> Literal["delta", "cumulative"]:
        """Return whether each text adds to the previous ones, or repeats and extends them."""
        full = [one for one in self.bare if one]
        grown = sum(later.startswith(earlier) for earlier, later in pairwise(full))
        return "cumulative" if len(full) > 1 and grown * 2 > len(full) - 1 and len(full[-1]) > len(full[0]) else "delta"

    @cached_property
    def pieces(self) -> list[str]:
        """Return the letters that each text adds."""
        if self.mode == "delta":
            return self.bare
        before = ["", *self.bare]
        return [now.removeprefix(then) for then, now in zip(before, self.bare, strict=False)]

    def overlap(self, truth: str) -> Overlap:
        """Return the overlap of the track with the truth."""
        return overlap("".join(self.pieces), truth)

    def belonging(self, truth: str) -> list[bool]:
        """Tell for each value whether it is part of the truth."""
        return belonging(self.pieces, self.overlap(truth).marks)


def tracks_of(frames: Sequence[ReadFrame]) -> dict[str, Track]:
    """Return the tracks of all paths with any text."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, frame in enumerate(frames):
        for path, text in frame.texts.items():
            if text:
                found.setdefault(path, []).append((number, text))
    return {path: Track(path, tuple(values)) for path, values in found.items()}
