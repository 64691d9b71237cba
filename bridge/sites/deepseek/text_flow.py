"""What is given out of a growing text: everything once, however often the site repeats it."""

from __future__ import annotations

from bridge.sites.text_prefix import common_beginning


class TextFlow:
    """A text that is given out once, however often the site repeats its beginning.

    After `restart` the text is expected to repeat what is known of it. Where it differs, the common beginning counts as
    repeated and all behind it as new; what that means for what was given out before, the caller decides.
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
        """Take the next piece; return what of it is new, and whether it was as expected."""
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
