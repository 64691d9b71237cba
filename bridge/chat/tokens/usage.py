"""The token usage of a chat: its prompt, and the model's output."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.chat.tokens.tokenizer import TokenCount, Tokenizer
from bridge.chat.tokens.vocabularies import tokenizer_of
from bridge.chat.types import Message, Model

ON_LOOP = 8_192
"""Characters of an answer that are counted on the event loop: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one chat; `completion` includes `reasoning`."""

    prompt: int
    completion: int
    reasoning: int
    is_estimate: bool = False
    """Whether the model's vocabulary was not available."""

    @property
    def total(self) -> int:
        """Return the sum of prompt and completion."""
        return self.prompt + self.completion


class Meter:
    """The token usage of one chat, counted along its events, hidden thinking included."""

    def __init__(self, prompt: int, tokenizer: Tokenizer) -> None:
        self._prompt = prompt
        self._is_estimate = tokenizer.is_estimate
        self._thinking: TokenCount = tokenizer.count()
        self._text: TokenCount = tokenizer.count()

    def add_text(self, text: str) -> None:
        """Count the next piece of the answer's text."""
        self._text.add(text)

    def add_thinking(self, text: str) -> None:
        """Count the next piece of the model's reasoning."""
        self._thinking.add(text)

    @property
    def waiting(self) -> int:
        """Return how many characters `usage` still has to count."""
        return self._thinking.waiting + self._text.waiting

    def usage(self) -> Usage:
        """Return the count so far."""
        reasoning = self._thinking.tokens
        return Usage(self._prompt, reasoning + self._text.tokens, reasoning, self._is_estimate)


async def count_messages(messages: Sequence[Message], model: Model) -> int:
    """Return the number of tokens of a history for `model`, counted in a thread."""
    return (await count_prompt(messages, model))[1]


async def count_prompt(messages: Sequence[Message], model: Model) -> tuple[Tokenizer, int]:
    """Return the tokenizer of `model`, and the number of tokens of a history, counted in a thread."""
    return await asyncio.to_thread(_count, messages, model.vocabulary)


def _count(messages: Sequence[Message], vocabulary: str) -> tuple[Tokenizer, int]:
    tokenizer = tokenizer_of(vocabulary)
    return tokenizer, sum(tokenizer.tokens(message.text) for message in messages)
