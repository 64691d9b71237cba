"""Removes the beginning of an answer if the model repeats what the client already has and wants continued.

White space around it is ignored. Text that only begins like a repetition is returned whole.
"""

from __future__ import annotations


class ContinuationFilter:
    """Returns the pieces of one answer without the beginning `begun`.

    While `_wanted` is not empty, every character so far has matched it (`_seen` of them) and is held back, so that a
    mismatch can return all of it.
    """

    def __init__(self, begun: str) -> None:
        self._wanted = begun.strip()
        self._ends_blank = begun != begun.rstrip()
        self._held: list[str] = []
        self._seen = 0

    def text(self, piece: str) -> str:
        """Add a piece, and return what is final."""
        if not self._wanted:
            return piece
        self._held.append(piece)
        shown = piece if self._seen else piece.lstrip()
        repeated = self._wanted[self._seen : self._seen + len(shown)]
        if not shown.startswith(repeated):
            return self.finish()
        self._seen += len(repeated)
        rest = shown[len(repeated) :]
        rest = rest.lstrip() if self._ends_blank else rest
        if rest:
            self._wanted, self._held = "", []
        return rest

    def finish(self) -> str:
        """Return the text that was held back, which is not a repetition or is the whole answer."""
        held, self._held, self._wanted = "".join(self._held), [], ""
        return held

    def whole(self, answer: str) -> str:
        """Return a whole answer without the beginning."""
        return self.text(answer) + self.finish()
