"""Estimates tokens by DeepSeek's published rule: an English character is about 0.3, a Chinese one 0.6.

Only characters count, so the figures do not depend on how an answer was cut into pieces.
"""

from __future__ import annotations

import re

from bridge.background import PIECE

WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+")
"""Chinese, Japanese and Korean characters with their punctuation."""


class Estimate:
    """The tokenizer of sites whose vocabulary is not known."""

    is_estimate = True

    def tokens(self, text: str) -> int:
        """Return the estimate for a whole text."""
        count = EstimatedCount()
        count.add(text)
        return count.tokens

    def count(self) -> EstimatedCount:
        """Return a new count."""
        return EstimatedCount()

    def limit(self, most: int) -> EstimatedLimit:
        """Return a limit of `most` tokens."""
        return EstimatedLimit(most)


class EstimatedCount:
    """The estimate for a text that arrives in pieces."""

    __slots__ = ("_tenths",)
    waiting = 0

    def __init__(self) -> None:
        self._tenths = 0

    def add(self, text: str) -> None:
        """Count the next piece."""
        self._tenths += 3 * len(text) + 3 * (0 if text.isascii() else _wide(text))

    @property
    def tokens(self) -> int:
        """Return the estimate so far, rounded up."""
        return -(-self._tenths // 10)

    roughly = tokens


class EstimatedLimit:
    """A limit of estimated tokens, which never holds text back."""

    def __init__(self, most: int) -> None:
        self._room = 10 * most
        self.is_reached = False

    def take(self, text: str) -> str:
        """Return the part of the next piece that fits."""
        if self.is_reached:
            return ""
        for place, char in enumerate(text):
            cost = 3 if char.isascii() or not WIDE.match(char) else 6
            if cost > self._room:
                self.is_reached = True
                return text[:place]
            self._room -= cost
        return text

    def finish(self) -> str:
        """Return nothing, as no text is held back."""
        return ""


def _wide(text: str) -> int:
    """Return the number of wide characters; works in pieces, so that a long text is not copied whole."""
    pieces = (text[place : place + PIECE] for place in range(0, len(text), PIECE))
    return sum(len(piece) - len(WIDE.sub("", piece)) for piece in pieces)
