"""Removes the beginning of an answer where the model repeats it: the client has it already, and wants what follows.

White space around it does not count. What only looks like a repetition at first is returned whole.
"""

from __future__ import annotations


class ContinuationFilter:
    """Takes the pieces of one answer and returns what follows the beginning `begun`.

    While `_wanted` is not empty, every character so far has matched it (`_seen` of them) and is held back, so that a
    mismatch can return all of it.
    """

    def __init__(self, begun: str) -> None:
        self._wanted = begun.strip()
        self._ends_blank = begun != begun.rstrip()
        self._held: list[str] = []
        self._seen = 0

    def text(self, piece: str) -> str:
        """Take a piece of text."""
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
        """Return what was held back: it is no repetition, or the answer is over and has nothing else."""
        held, self._held, self._wanted = "".join(self._held), [], ""
        return held

    def whole(self, answer: str) -> str:
        """Take a whole answer."""
        return self.text(answer) + self.finish()
