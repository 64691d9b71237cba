"""An estimate of tokens by DeepSeek's published rule: an English character is about 0.3, a Chinese one 0.6.

Only characters are counted, so the figures do not depend on how an answer was cut into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.chat.types import ChatEvent, Message, Text, Thinking

WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]+")
"""Chinese, Japanese and Korean characters with their punctuation."""
PIECE = 65_536
"""Characters that are counted in one go."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Estimated tokens of one chat; `completion` includes `reasoning`."""

    prompt: int
    completion: int
    reasoning: int

    @property
    def total(self) -> int:
        """Return the sum of prompt and completion."""
        return self.prompt + self.completion


class Count:
    """Tokens of a text that arrives in pieces."""

    __slots__ = ("_tenths",)

    def __init__(self, text: str = "") -> None:
        self._tenths = 0
        self.add(text)

    def add(self, text: str) -> None:
        """Take the next piece."""
        self._tenths += 3 * len(text) + 3 * (0 if text.isascii() else _wide(text))

    def fitting(self, text: str, tokens: int) -> int:
        """Return how many characters of `text` may follow before there are more than `tokens`."""
        room = 10 * tokens - self._tenths
        for place, char in enumerate(text):
            room -= 3 if char.isascii() or not WIDE.match(char) else 6
            if room < 0:
                return place
        return len(text)

    @property
    def tokens(self) -> int:
        """Return the estimate so far, rounded up."""
        return -(-self._tenths // 10)


def prompt_tokens(messages: Sequence[Message]) -> int:
    """Return the estimate for a whole history."""
    count = Count()
    for message in messages:
        count.add(message.text)
    return count.tokens


def _wide(text: str) -> int:
    """Return the number of wide characters, in pieces, so that a long text needs no second one of its length."""
    pieces = (text[place : place + PIECE] for place in range(0, len(text), PIECE))
    return sum(len(piece) - len(WIDE.sub("", piece)) for piece in pieces)


class Meter:
    """What one chat costs, counted along its events; hidden thinking costs, too."""

    def __init__(self, prompt: int) -> None:
        self._prompt = prompt
        self._thinking = Count()
        self._text = Count()

    def add(self, event: ChatEvent) -> None:
        """Count what the model wrote in `event`."""
        if isinstance(event, Text):
            self.add_text(event.text)
        elif isinstance(event, Thinking):
            self.add_thinking(event.text)

    def add_text(self, text: str) -> None:
        """Count the next piece of the answer's text."""
        self._text.add(text)

    def add_thinking(self, text: str) -> None:
        """Count the next piece of the model's reasoning."""
        self._thinking.add(text)

    def usage(self) -> Usage:
        """Return the estimate so far."""
        reasoning = self._thinking.tokens
        return Usage(self._prompt, reasoning + self._text.tokens, reasoning)
