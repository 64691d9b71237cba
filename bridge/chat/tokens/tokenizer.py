"""The contract of what counts tokens: an estimate, or a model's own vocabulary."""

from __future__ import annotations

from typing import Protocol


class TokenCount(Protocol):
    """Tokens of a text that arrives in pieces, however it was cut."""

    def add(self, text: str) -> None:
        """Take the next piece."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many characters are not counted yet."""
        ...

    @property
    def tokens(self) -> int:
        """Return the tokens so far, as those of a whole text."""
        ...

    @property
    def roughly(self) -> int:
        """Return about how many tokens there are so far; it takes no time."""
        ...


class TokenLimit(Protocol):
    """Cuts texts that arrive in pieces where they have had their number of tokens, however they were cut."""

    @property
    def is_reached(self) -> bool:
        """Whether text was left out: then nothing more is let through."""
        ...

    def take(self, text: str) -> str:
        """Take the next piece, and return what may be given out now; the rest is held until it is known to fit."""
        ...

    def finish(self) -> str:
        """End this text, and return what of it was held; further pieces are another text under the same limit."""
        ...


class Tokenizer(Protocol):
    """Counts tokens in one way; used from several threads."""

    @property
    def is_estimate(self) -> bool:
        """Whether the figures are no count by the model's own vocabulary."""
        ...

    def tokens(self, text: str) -> int:
        """Return the tokens of a whole text; the time grows with its length."""
        ...

    def count(self) -> TokenCount:
        """Return a count that begins."""
        ...

    def limit(self, most: int) -> TokenLimit:
        """Return a limit of so many tokens."""
        ...
