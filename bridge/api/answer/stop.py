"""Ends an answer where the client wants it to end: before a stop sequence, or at its number of tokens.

What may be the beginning of a stop sequence is held back, wherever the pieces were cut. Of several sequences
the one that is complete first counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.chat.token_estimate import Count
from bridge.chat.types import FinishReason


class StopFilter:
    """Takes the pieces of one answer and returns what the client gets of them; `reason` is set once it is over.

    A sequence counts first, then the limit: text behind a stop sequence costs no tokens. At most one character less
    than the longest sequence is held back.
    """

    def __init__(self, stop: Sequence[str], max_tokens: int | None) -> None:
        self._stop = stop
        self._most = max_tokens
        self._count = Count()
        self._held = ""
        self.reason: FinishReason | None = None
        self.sequence: str | None = None
        """The stop sequence that ended the answer."""

    def text(self, piece: str) -> str:
        """Take a piece of text."""
        text = self._held + piece
        self._held = ""
        found = [(place + len(stop), place, stop) for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            _, place, sequence = min(found)  # the first to be complete, wherever pieces were cut
            said = self._within(text[:place])
            if self.reason is None:  # the limit was not reached before it
                self.reason, self.sequence = "stop", sequence
            return said
        held = self._begun(text)
        text, self._held = text[: len(text) - held], text[len(text) - held :]
        return self._within(text)

    def thinking(self, piece: str) -> str:
        """Take a piece of thinking: it costs tokens and knows no stop sequences."""
        return self._within(piece)

    def finish(self) -> str:
        """Return what was held back: the answer is over."""
        held, self._held = self._held, ""
        return self._within(held)

    def _within(self, text: str) -> str:
        if self._most is None:
            return text
        fits = self._count.fitting(text, self._most)
        if fits < len(text):
            self.reason = "length"
            text = text[:fits]
        self._count.add(text)
        return text

    def _begun(self, text: str) -> int:
        """Return how many of the last characters may be the beginning of a stop sequence."""
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        lengths = range(min(longest, len(text)), 0, -1)
        return next((size for size in lengths if any(stop.startswith(text[-size:]) for stop in self._stop)), 0)
