"""The right to act on an account: one node at a time has it; a bridge that is alone always does."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def left_generating(self) -> Sequence[str]:
        """Return the conversations in which the site may still generate for an earlier owner."""
        ...

    def generates(self, conversations: Sequence[str]) -> None:
        """Note for the next owner in which conversations the site may generate now."""
        ...


class SoleOwnership:
    """The ownership of a bridge that shares its accounts with no other node."""

    fence = 0
    left_generating: Sequence[str] = ()

    def check(self) -> None:
        """Allow everything."""

    def generates(self, conversations: Sequence[str]) -> None:
        """Forget it: what this bridge has left on its own disk it finds there."""


ALONE = SoleOwnership()
