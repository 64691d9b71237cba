"""The right to act on an account: one node at a time has it; a bridge without a cluster always does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Ownership(Protocol):
    """The right to act on one account."""

    @property
    def fence(self) -> int:
        """Return a number that is larger for each later owner of the account; 0 without a cluster."""
        ...

    def check(self) -> None:
        """Raise `LeaseLost` if another node may own the account by now; called right before each side effect."""
        ...

    @property
    def left_generating(self) -> Sequence[str]:
        """Return the conversations in which the site may still generate for an earlier owner."""
        ...

    def generates(self, conversations: Sequence[str]) -> None:
        """Record for the next owner the conversations in which the site may generate now."""
        ...


class SoleOwnership:
    """The ownership of a bridge without a cluster."""

    fence = 0
    left_generating: Sequence[str] = ()

    def check(self) -> None:
        """Allow everything."""

    def generates(self, conversations: Sequence[str]) -> None:
        """Do nothing: this bridge finds them on its own disk."""


ALONE = SoleOwnership()
