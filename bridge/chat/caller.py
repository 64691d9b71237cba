"""The caller of a chat and its limits, known from the API key before the chat reaches a backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The API key of a chat. If no key is required, all chats without one share the same caller."""

    id: str = ""
    """Chats with the same id wait in one queue; the queues take turns."""
    name: str = ""
    """The name of the key."""
    share: int = 1
    """How many turns its queue gets for each turn of a queue with the share 1."""
    parallel: int | None = None
    """How many of its chats may have an account at a time; further ones wait. None: no limit."""
    accounts: Sequence[str] = ()
    """The names of the accounts that may answer; empty: all."""

    def may_use(self, account: str) -> bool:
        """Tell whether an account may answer this caller."""
        return not self.accounts or account in self.accounts

    def __str__(self) -> str:
        return f"the key {self.name!r}" if self.name else "callers without a key"


ANYBODY = Caller()
"""The caller without a key."""
