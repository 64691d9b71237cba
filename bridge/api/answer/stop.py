"""Ends an answer where the client wants: before a stop sequence, or at its token limit.

Text that may begin a stop sequence or exceed the limit is held back, wherever pieces were cut. Of several sequences the
first complete one counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.chat.tokens.tokenizer import TokenLimit
from bridge.chat.types import FinishReason


class StopFilter:
    """Returns what the client gets of the pieces of one answer; `reason` is set once the answer is over.

    Stop sequences apply before the limit: text after a stop sequence costs no tokens. The limit treats the answer and
    each stretch of thinking as separate texts, so that text held back of one comes out before the other goes on.
    """

    def __init__(self, stop: Sequence[str], limit: TokenLimit | None) -> None:
        self._stop = stop
        self._limit = limit
        self._held = ""
        self._is_thinking = False
        self.reason: FinishReason | None = None
        self.sequence: str | None = None
        """The stop sequence that ended the answer."""

    def text(self, piece: str) -> str:
        """Add a piece of text, and return what is final."""
        text = self._held + piece
        self._held = ""
        found = [(place + len(stop), place, stop) for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            _, place, sequence = min(found)  # the first complete one, wherever pieces were cut
            said = self._within(text[:place]) + self._rest()
            if self.reason is None:  # the limit was not reached before it
                self.reason, self.sequence = "stop", sequence
            return said
        held = self._begun(text)
        text, self._held = text[: len(text) - held], text[len(text) - held :]
        return self._within(text)

    def thinking(self, piece: str) -> str:
        """Add a piece of thinking, which costs tokens but has no stop sequences; return what is final."""
        return self._within(piece)

    def begin_thinking(self) -> str:
        """Begin thinking; return the text that the limit held back."""
        if self._is_thinking:
            return ""
        self._is_thinking = True
        return self._rest()

    def end_thinking(self) -> str:
        """End thinking; return the part of it that was held back."""
        if not self._is_thinking:
            return ""
        self._is_thinking = False
        return self._rest()

    def finish(self) -> str:
        """End the answer; return the text that was held back."""
        held, self._held = self._held, ""
        return self._within(held) + self._rest()

    def _within(self, text: str) -> str:
        return text if self._limit is None else self._judged(self._limit, self._limit.take(text))

    def _rest(self) -> str:
        return "" if self._limit is None else self._judged(self._limit, self._limit.finish())

    def _judged(self, limit: TokenLimit, text: str) -> str:
        if limit.is_reached and self.reason is None:
            self.reason = "length"
        return text

    def _begun(self, text: str) -> int:
        """Return how many of the last characters may begin a stop sequence."""
        longest = max((len(stop) for stop in self._stop), default=1) - 1
        lengths = range(min(longest, len(text)), 0, -1)
        return next((size for size in lengths if any(stop.startswith(text[-size:]) for stop in self._stop)), 0)
