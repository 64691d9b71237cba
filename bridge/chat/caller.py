"""Who asks for a chat, and what the operator allows them; known from the key before the chat reaches a backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that a chat came with. All chats without a key, where none is asked for, have the same one."""

    id: str = ""
    """Chats of the same id wait in one line, the lines take turns."""
    name: str = ""
    """What people call the key."""
    share: int = 1
    """How many turns the line gets for each one of a line with the share 1."""
    parallel: int | None = None
    """How many chats may have an account at a time, so that further ones wait; None: no limit."""
    accounts: Sequence[str] = ()
    """The names of the accounts that may answer; empty: all."""

    def may_use(self, account: str) -> bool:
        """Tell whether the account of that name may answer."""
        return not self.accounts or account in self.accounts

    def __str__(self) -> str:
        return f"the key {self.name!r}" if self.name else "callers without a key"


ANYBODY = Caller()
"""Who needs no key."""
