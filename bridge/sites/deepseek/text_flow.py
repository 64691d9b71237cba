"""Emits a growing text once, however often the site repeats it."""

from __future__ import annotations

from bridge.sites.text_prefix import common_beginning


class TextFlow:
    """A text that is emitted once, however often the site repeats its beginning.

    After `restart` the text is expected to repeat its known part. If it differs, the common prefix counts as repeated
    and everything after it as new; the caller decides what that means for the text already emitted.
    """

    __slots__ = ("_at", "_known", "_pieces")

    def __init__(self, text: str = "") -> None:
        self._pieces = [text] if text else []
        self._known = ""
        self._at = 0

    def __str__(self) -> str:
        return "".join(self._pieces)

    def restart(self) -> None:
        """Expect the text again from its beginning."""
        self._known = str(self)
        self._pieces = [self._known]
        self._at = 0

    def take(self, piece: str) -> tuple[str, bool]:
        """Add the next piece; return its new part, and whether the rest matched the known text."""
        if self._at < len(self._known):
            return self._compare(piece)
        self._pieces.append(piece)
        return piece, True

    def _compare(self, piece: str) -> tuple[str, bool]:
        expected = self._known[self._at : self._at + len(piece)]
        same = common_beginning(expected, piece)
        self._at += same
        if same < len(expected):
            self._known = self._known[: self._at]
            self._pieces = [self._known]
        new = piece[same:]
        if new:
            self._pieces.append(new)
        return new, same == len(expected)
