"""The right to act on an account: one node at a time has it; a bridge that is alone always does."""

from __future__ import annotations

from typing import Protocol


class Ownership(Protocol):
    """The right to act on one account."""

    @property
    def fence(self) -> int:
        """Return a number that is larger for each later owner of the account; 0 where there is one node alone."""
        ...

    def check(self) -> None:
        """Raise `LeaseLost` where another node may own the account by now; called right before each side effect."""
        ...


class SoleOwnership:
    """The ownership of a bridge that shares its accounts with no other node."""

    fence = 0

    def check(self) -> None:
        """Allow everything."""


ALONE = SoleOwnership()
