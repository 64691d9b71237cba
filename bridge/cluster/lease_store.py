"""Leases on accounts: at most one node has an account at a time, for a limited time, under a growing fence.

`MemoryLeases` keeps them for nodes within one process, `RedisLeases` for all others. A lease that is not renewed
expires. The fence is a number that is larger for each later lease on the same account, even if the store has lost its
data, so that a late write of an earlier owner can be told from one of the present owner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

MILLISECONDS = 1000
"""Milliseconds per second."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """The holder of an account, and its fence."""

    holder: str
    fence: int


class LeaseStore(Protocol):
    """A store of leases. `holder` names a node and its start; all methods raise `ClusterUnavailable` if it is down."""

    @property
    def seconds(self) -> float:
        """Return how long a lease lasts unless it is renewed."""
        ...

    async def acquire(self, account: str, holder: str) -> int | None:
        """Acquire a free account and return its fence, or None if it is taken or must be left alone for a while.

        A `holder` that already has the lease gets it again: the answer to its last call may have been lost.

        An account that the store does not know, because it is new or the store has lost its data, is left alone for the
        length of a lease: until then an owner that the store has forgotten may still act.
        """
        ...

    async def renew(self, account: str, holder: str, fence: int) -> bool:
        """Renew a lease; return False if another holder has taken the account since, or may have."""
        ...

    async def release(self, account: str, holder: str, fence: int) -> bool:
        """Release a lease if it is still this one; tell whether it was."""
        ...

    async def holders(self, accounts: Collection[str]) -> Mapping[str, HeldBy]:
        """Return the holders of these accounts by name; free ones are left out."""
        ...


@dataclass(slots=True)
class _Entry:
    """The lease of one account; `since` is when the store first heard of it."""

    since: float
    fence: int = 0
    holder: str = ""
    until: float = 0.0


class MemoryLeases:
    """Leases of the nodes in one process; `clock` is in seconds, `now` in Unix seconds."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._now = now
        self._entries: dict[str, _Entry] = {}

    async def acquire(self, account: str, holder: str) -> int | None:
        """Acquire a free account; see `LeaseStore`."""
        now = self._clock()
        entry = self._entries.setdefault(account, _Entry(now))
        if now < entry.since + self.seconds or (self._is_held(entry) and entry.holder != holder):
            return None
        if self._is_held(entry):
            entry.until = now + self.seconds
            return entry.fence
        entry.fence = max(entry.fence + 1, int(self._now() * MILLISECONDS))
        entry.holder, entry.until = holder, now + self.seconds
        return entry.fence

    async def renew(self, account: str, holder: str, fence: int) -> bool:
        """Renew a lease; see `LeaseStore`."""
        entry = self._entries.setdefault(account, _Entry(self._clock()))
        if self._is_held(entry) and (entry.holder, entry.fence) != (holder, fence):
            return False
        if entry.fence > fence:
            return False
        entry.holder, entry.fence, entry.until = holder, fence, self._clock() + self.seconds
        return True

    async def release(self, account: str, holder: str, fence: int) -> bool:
        """Release a lease; see `LeaseStore`."""
        entry = self._entries.get(account)
        if entry is None or not self._is_held(entry) or (entry.holder, entry.fence) != (holder, fence):
            return False
        entry.holder = ""
        return True

    async def holders(self, accounts: Collection[str]) -> Mapping[str, HeldBy]:
        """Return the holders of these accounts; see `LeaseStore`."""
        entries = ((name, self._entries.get(name)) for name in accounts)
        return {name: HeldBy(entry.holder, entry.fence) for name, entry in entries if entry and self._is_held(entry)}

    def forget_everything(self) -> None:
        """Drop all data, like an in-memory store that is restarted."""
        self._entries.clear()

    def _is_held(self, entry: _Entry) -> bool:
        return bool(entry.holder) and self._clock() < entry.until
