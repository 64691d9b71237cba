"""The interface of tokenizers: an estimate, or a model's own vocabulary."""

from __future__ import annotations

from typing import Protocol


class TokenCount(Protocol):
    """The token count of a text that arrives in pieces; it does not depend on the cuts."""

    def add(self, text: str) -> None:
        """Count the next piece."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many characters are not counted yet."""
        ...

    @property
    def tokens(self) -> int:
        """Return the tokens so far, as if the text ended here."""
        ...

    @property
    def roughly(self) -> int:
        """Return roughly the tokens so far, in constant time."""
        ...


class TokenLimit(Protocol):
    """A limit that cuts texts arriving in pieces at a number of tokens; it does not depend on the pieces."""

    @property
    def is_reached(self) -> bool:
        """Tell whether text was cut; then no more is returned."""
        ...

    def take(self, text: str) -> str:
        """Process the next piece and return the text that surely fits; hold the rest until it is known to fit."""
        ...

    def finish(self) -> str:
        """End this text and return its held part; later pieces are another text under the same limit."""
        ...


class Tokenizer(Protocol):
    """A way to count tokens; safe to use from several threads."""

    @property
    def is_estimate(self) -> bool:
        """Tell whether the figures are estimates, not counts by the model's own vocabulary."""
        ...

    def tokens(self, text: str) -> int:
        """Return the number of tokens of a whole text, in linear time."""
        ...

    def count(self) -> TokenCount:
        """Return a new count."""
        ...

    def limit(self, most: int) -> TokenLimit:
        """Return a limit of `most` tokens."""
        ...
