"""Emits a text of several parts, each of which the site may extend, repeat or replace.

The emitted text must stay a prefix of the whole text. The site may change the text that is held back: the last `holds`
characters, and the beginning of a mark. If it changes more than that, the whole text is emitted again: once at the
change and once at the end, whatever comes between.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bridge.sites.site_file.text_marks import TextMarks
from bridge.sites.text_prefix import common_beginning

Mode = Literal["delta", "cumulative", "set", "auto"]

_MOST_PARTS = 1000
"""The most parts of a text; any further text is added to the last one, which bounds the time that a change takes."""
_LONG_REPETITION = 8
"""Characters: a piece that begins with a previous piece of at least this length repeats it on purpose."""

_MOST_REPETITIONS = 4
"""A piece that comes this often in a row is part of the text that often, not a repetition."""


class Emitted(NamedTuple):
    """The text to emit: the next piece or, with `is_rewrite`, the whole text in place of all that was emitted."""

    text: str
    is_rewrite: bool = False


NOTHING = Emitted("")


class TextParts:
    """One text so far.

    Without `is_fixed` a change of emitted text only emits the text again from there, which suits reasoning.
    """

    def __init__(self, marks: TextMarks, holds: int = 0, *, is_fixed: bool = True) -> None:
        self._marks = marks
        self._holds = holds
        self._is_fixed = is_fixed
        self._parts: dict[str, _Part] = {}
        self._last: _Part | None = None
        # The first `_used` characters of the whole text were emitted, except marks; `_held` is the rest.
        self._used = 0
        self._held = ""
        self._rewritten: str | None = None  # the whole text emitted at a change; nothing more is emitted before the end
        self.changes = 0
        """How often the site changed text that was already emitted."""

    def __str__(self) -> str:
        return "".join(str(part) for part in self._parts.values())

    @property
    def is_holding(self) -> bool:
        """Tell whether text is held back."""
        return bool(self._held)

    @property
    def length(self) -> int:
        """Return the length of the text in characters."""
        return sum(part.length for part in self._parts.values())

    def take(self, value: str, mode: Mode, key: str = "") -> Emitted:
        """Apply a value of a part, and return the text to emit."""
        part = self._parts.get(key) or self._new_part(key)
        if mode == "delta" and part is self._last and self._rewritten is None:
            part.add(value)
            return self._emit(value)
        if mode == "auto":
            guess = part.guess(value)
            if guess is None:
                return NOTHING
            mode, value = guess
        return self._write(part, value, mode)

    def finish(self) -> Emitted:
        """Return the text held back, because the text is complete."""
        pieces = [self._write(part, value, "cumulative") for part in self._parts.values() if (value := part.undecided)]
        if self._rewritten is not None:
            whole, _ = self._marks.read(str(self), is_end=True)
            return NOTHING if whole == self._rewritten else Emitted(whole, is_rewrite=True)
        return Emitted("".join(piece.text for piece in pieces) + self.release())

    def release(self) -> str:
        """Return the text held back, because another text follows."""
        rest, _ = self._marks.read(self._held, is_end=True)
        self._used, self._held = self._used + len(self._held), ""
        return rest

    def _new_part(self, key: str) -> _Part:
        if self._last is None or len(self._parts) < _MOST_PARTS:
            self._last = self._parts[key] = _Part()
        return self._last

    def _write(self, part: _Part, value: str, mode: Mode) -> Emitted:
        before = part.length
        if mode == "delta":
            part.add(value)
            at, new = before, value
        else:
            if mode == "cumulative" and not value:
                return NOTHING
            at = part.replace(value)
            new = value[at:]
        if not new and at == before:
            return NOTHING
        if self._rewritten is not None:
            return NOTHING
        if part is self._last and at == before:
            return self._emit(new)
        return self._change(self._start_of(part) + at)

    def _change(self, position: int) -> Emitted:
        """Return the text to emit after a change at `position`, before which the text is unchanged."""
        if position >= self._used:
            self._held = self._text_from(self._used)
            return self._emit("")
        self.changes += 1
        if not self._is_fixed:
            self._used, self._held = position, self._text_from(position)
            return self._emit("")
        self._rewritten, _ = self._marks.read(str(self), is_end=True)
        return Emitted(self._rewritten, is_rewrite=True)

    def _emit(self, piece: str) -> Emitted:
        text = ready = self._held + piece if self._held else piece
        if self._holds:
            ready = text[: max(0, len(text) - self._holds)]
        said, used = self._marks.read(ready, is_end=False)
        self._used += used
        self._held = text[used:]
        return Emitted(said) if said else NOTHING

    def _start_of(self, part: _Part) -> int:
        start = 0
        for one in self._parts.values():
            if one is part:
                break
            start += one.length
        return start

    def _text_from(self, position: int) -> str:
        """Return the text from `position` on, without reading the rest."""
        missing, found = self.length - position, list[str]()
        for part in reversed(self._parts.values()):
            if missing <= 0:
                break
            found.append(part.last(missing))
            missing -= part.length
        return "".join(reversed(found))


class _Part:
    """One part: its text in pieces, and the values seen until it is known whether they repeat the text."""

    __slots__ = ("_pieces", "_seen", "guessed", "length")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._seen: list[str] = []
        self.guessed: Mode | None = None
        self.length = 0

    def __str__(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self.length += len(piece)

    def replace(self, value: str) -> int:
        """Replace the text by `value`, and return the length of their common prefix."""
        same = common_beginning(str(self), value)
        self._pieces, self.length = [value], len(value)
        return same

    def last(self, count: int) -> str:
        """Return the last `count` characters, or all if there are fewer."""
        found: list[str] = []
        for piece in reversed(self._pieces):
            if count <= 0:
                break
            found.append(piece[-count:])
            count -= len(piece)
        return "".join(reversed(found))

    def guess(self, value: str) -> tuple[Mode, str] | None:
        """Return the mode and text of a value that may repeat the previous ones; None while that is undecided."""
        if self.guessed:
            return self.guessed, value
        if not value:
            return None
        self._seen.append(value)
        if len(self._seen) == 1:
            return "delta", value
        before = self._seen[-2]
        if not value.startswith(before) or self._seen[-_MOST_REPETITIONS:] == [value] * _MOST_REPETITIONS:
            value, self._seen = "".join(self._seen[1:]), []
            self.guessed = "delta"
            return "delta", value
        if value == before or len(before) < _LONG_REPETITION:
            return None
        self.guessed, self._seen = "cumulative", []
        return "cumulative", value

    @property
    def undecided(self) -> str:
        """Return the last value if it is still undecided whether it repeats the previous ones; at the end it does."""
        return self._seen[-1] if len(self._seen) > 1 and not self.guessed else ""
