"""The stored accounts of a node as its pool sees them: only those that the node has a lease on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bridge.chat.ownership import Ownership
from bridge.cluster.held_leases import HeldLease, HeldLeases
from bridge.errors import SetupError
from bridge.pool.account import PoolWorker
from bridge.storage.profiles import Stamp

KEEPS_NAME = "An account of a cluster keeps its name; remove {name}, and log in again as {to}."
UNFIT = 60.0
"""Seconds before a node tries again to open an account that it could not open."""


class OwnedWorker(PoolWorker, Protocol):
    """A worker that checks before each action whether this node still has the account."""

    ownership: Ownership


class OwnedAccounts(Protocol):
    """`StoredAccounts` whose workers take an `Ownership`."""

    def stamps(self) -> Mapping[str, Stamp | None]:
        """See `StoredAccounts`."""
        ...

    async def worker(self, name: str) -> OwnedWorker:
        """See `StoredAccounts`."""
        ...

    def remove(self, name: str) -> None:
        """See `StoredAccounts`."""
        ...


class LeasedAccounts:
    """`StoredAccounts` of a node. `claim` acquires the lease on an account wanted here, or raises `SetupError`.

    `forget` removes an account for all nodes; it blocks, and raises a `BridgeError` if it cannot.
    """

    def __init__(
        self,
        stored: OwnedAccounts,
        leases: HeldLeases,
        claim: Callable[[str], Awaitable[HeldLease]],
        forget: Callable[[str], None],
    ) -> None:
        self._stored = stored
        self._leases = leases
        self._claim = claim
        self._forget = forget
        self.closed: set[str] = set()
        """Accounts that this node has closed and is about to give back."""
        self.unfit: dict[str, float] = {}
        """Accounts that could not be opened here, and the monotonic time at which each may be tried again."""

    def stamps(self) -> Mapping[str, object]:
        """Return the stamps of this node's accounts; a new lease changes the stamp, so the account is tried again."""
        stored = self._stored.stamps()
        held = [lease for name in self._leases.names() if (lease := self._leases.of(name)) is not None]
        mine = [lease for lease in held if lease.account in stored and lease.account not in self.closed]
        return {lease.account: (stored[lease.account], lease.fence) for lease in mine}

    async def claim(self, name: str) -> None:
        """Acquire the lease on the account unless this node has it."""
        if self._leases.of(name) is None:
            await self._claim(name)

    async def worker(self, name: str) -> PoolWorker:
        """Return a worker that acts only while the lease counts."""
        if (lease := self._leases.of(name)) is None:
            raise SetupError("This node no longer has it.")
        try:
            worker = await self._stored.worker(name)
        except SetupError:
            self.unfit[name] = time.monotonic() + UNFIT
            raise
        worker.ownership = lease
        self.unfit.pop(name, None)
        return worker

    def remove(self, name: str) -> None:
        """Delete what is stored under that name: in the cluster first, else the other nodes would restore it."""
        self._forget(name)
        self._stored.remove(name)

    def rename(self, name: str, to: str) -> None:
        """Raise `SetupError`: nodes identify an account by its name."""
        raise SetupError(KEEPS_NAME.format(name=name, to=to))
