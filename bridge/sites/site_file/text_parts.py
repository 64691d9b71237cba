"""A text of several parts, each of which a site may add to, repeat or replace: what of it can be given out.

What was given out must stay the beginning of the whole text. The site may do what it likes with the rest: with the last
`holds` characters, and with the beginning of a mark. Where it changes more than that, the text is given out again: once
at the change and once more at the end, whatever comes between.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bridge.sites.site_file.text_marks import TextMarks
from bridge.sites.text_prefix import common_beginning

Mode = Literal["delta", "cumulative", "set", "auto"]

_MOST_PARTS = 1000
"""Parts of a text; what belongs to one too many is added to the last one, which bounds the time that a change takes."""
_LONG_REPETITION = 8
"""Characters: a piece that begins with so many of the piece before repeats it, and is no accident."""

_MOST_REPETITIONS = 4
"""The same piece so often, one after the other, is a text that has it so often, and no repetition."""


class Given(NamedTuple):
    """What a text gives out: the next piece or, where `is_anew`, all of it in place of what was given before."""

    text: str
    is_anew: bool = False


NOTHING = Given("")


class TextParts:
    """One text, as far as it has come.

    With `is_fixed` off a change of what was given out only gives out the text again from there: fit for reasoning.
    """

    def __init__(self, marks: TextMarks, holds: int = 0, *, is_fixed: bool = True) -> None:
        self._marks = marks
        self._holds = holds
        self._is_fixed = is_fixed
        self._parts: dict[str, _Part] = {}
        self._last: _Part | None = None
        # Of the whole text the first `_used` characters were given out, but for marks, and `_held` stands behind them.
        self._used = 0
        self._held = ""
        self._anew: str | None = None  # what was given out again; nothing more is, up to the end
        self.changes = 0
        """How often text was changed that had been given out."""

    def __str__(self) -> str:
        return "".join(str(part) for part in self._parts.values())

    @property
    def is_holding(self) -> bool:
        """Tell whether there is text that was not given out yet."""
        return bool(self._held)

    @property
    def length(self) -> int:
        """Return how many characters there are."""
        return sum(part.length for part in self._parts.values())

    def take(self, value: str, mode: Mode, key: str = "") -> Given:
        """Take what the site says of a part."""
        part = self._parts.get(key) or self._new_part(key)
        if mode == "delta" and part is self._last and self._anew is None:
            part.add(value)
            return self._give(value)
        if mode == "auto":
            guess = part.guess(value)
            if guess is None:
                return NOTHING
            mode, value = guess
        return self._write(part, value, mode)

    def finish(self) -> Given:
        """Return what was held back, since the text is over."""
        pieces = [self._write(part, value, "cumulative") for part in self._parts.values() if (value := part.undecided)]
        if self._anew is not None:
            whole, _ = self._marks.read(str(self), is_end=True)
            return NOTHING if whole == self._anew else Given(whole, is_anew=True)
        return Given("".join(piece.text for piece in pieces) + self.release())

    def release(self) -> str:
        """Return what was held back, since something else comes next."""
        rest, _ = self._marks.read(self._held, is_end=True)
        self._used, self._held = self._used + len(self._held), ""
        return rest

    def _new_part(self, key: str) -> _Part:
        if self._last is None or len(self._parts) < _MOST_PARTS:
            self._last = self._parts[key] = _Part()
        return self._last

    def _write(self, part: _Part, value: str, mode: Mode) -> Given:
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
        if self._anew is not None:
            return NOTHING
        if part is self._last and at == before:
            return self._give(new)
        return self._change(self._start_of(part) + at)

    def _change(self, position: int) -> Given:
        """Give out what a change leaves to be given, where the text before `position` is as it was."""
        if position >= self._used:
            self._held = self._behind(self._used)
            return self._give("")
        self.changes += 1
        if not self._is_fixed:
            self._used, self._held = position, self._behind(position)
            return self._give("")
        self._anew, _ = self._marks.read(str(self), is_end=True)
        return Given(self._anew, is_anew=True)

    def _give(self, piece: str) -> Given:
        text = ready = self._held + piece if self._held else piece
        if self._holds:
            ready = text[: max(0, len(text) - self._holds)]
        said, used = self._marks.read(ready, is_end=False)
        self._used += used
        self._held = text[used:]
        return Given(said) if said else NOTHING

    def _start_of(self, part: _Part) -> int:
        start = 0
        for one in self._parts.values():
            if one is part:
                break
            start += one.length
        return start

    def _behind(self, position: int) -> str:
        """Return the text from `position` on; only that much is looked at."""
        missing, found = self.length - position, list[str]()
        for part in reversed(self._parts.values()):
            if missing <= 0:
                break
            found.append(part.last(missing))
            missing -= part.length
        return "".join(reversed(found))


class _Part:
    """One part: its text in pieces, and while it is not known whether values repeat it, those."""

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
        """Put `value` in place of the text, and return how many characters at its beginning have stayed."""
        same = common_beginning(str(self), value)
        self._pieces, self.length = [value], len(value)
        return same

    def last(self, count: int) -> str:
        """Return the last so many characters, or all there are."""
        found: list[str] = []
        for piece in reversed(self._pieces):
            if count <= 0:
                break
            found.append(piece[-count:])
            count -= len(piece)
        return "".join(reversed(found))

    def guess(self, value: str) -> tuple[Mode, str] | None:
        """Return how to take a value that may repeat the ones before; None as long as that cannot be told."""
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
        """Return the last value where it is still not known whether it repeats those before: it does."""
        return self._seen[-1] if len(self._seen) > 1 and not self.guessed else ""
