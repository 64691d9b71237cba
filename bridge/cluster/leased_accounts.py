"""The stored accounts of a node, as its pool sees them: those alone that the node has a lease on."""

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
"""Seconds for which an account is not tried again on a node that could not open it."""


class OwnedWorker(PoolWorker, Protocol):
    """A worker that asks, before whatever it does, whether the account is still this node's."""

    ownership: Ownership


class OwnedAccounts(Protocol):
    """`StoredAccounts` whose workers can be told of their ownership."""

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
    """`StoredAccounts` of a node. `claim` gets a lease on an account that somebody wants here, or raises `SetupError`.

    `forget` has an account be removed for all nodes; it blocks, and raises a `BridgeError` where that cannot be.
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
        """Accounts that this node is about to give back, and has closed."""
        self.unfit: dict[str, float] = {}
        """Accounts that could not be opened here, and when by the monotonic clock they may be tried again."""

    def stamps(self) -> Mapping[str, object]:
        """Return the accounts that are this node's now; with a new lease each may be tried again."""
        stored = self._stored.stamps()
        held = [lease for name in self._leases.names() if (lease := self._leases.of(name)) is not None]
        mine = [lease for lease in held if lease.account in stored and lease.account not in self.closed]
        return {lease.account: (stored[lease.account], lease.fence) for lease in mine}

    async def claim(self, name: str) -> None:
        """Have a lease on the account."""
        if self._leases.of(name) is None:
            await self._claim(name)

    async def worker(self, name: str) -> PoolWorker:
        """Return a worker that acts as long as the lease counts."""
        if (lease := self._leases.of(name)) is None:
            raise SetupError("It is not this node's any more.")
        try:
            worker = await self._stored.worker(name)
        except SetupError:
            self.unfit[name] = time.monotonic() + UNFIT
            raise
        worker.ownership = lease
        self.unfit.pop(name, None)
        return worker

    def remove(self, name: str) -> None:
        """Delete what is stored under that name: for all nodes first, else it would come back from them."""
        self._forget(name)
        self._stored.remove(name)

    def rename(self, name: str, to: str) -> None:
        """Refuse it: the name is what the nodes agree by."""
        raise SetupError(KEEPS_NAME.format(name=name, to=to))
