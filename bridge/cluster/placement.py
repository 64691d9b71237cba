"""Places accounts on nodes; all nodes compute the same result from the same names, so no leader is needed.

Weighted rendezvous hashing with a bound: each account ranks the nodes, and goes to the first one that is below its
share. A node of twice the capacity gets twice as many accounts; a node that joins or leaves moves few of the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

STEP = 1.0
"""Steps that each next choice of a free account waits for the one before it."""
LONGEST_WAIT = 3.0
MEMORY_ALONE, MEMORY_EACH = 250.0, 120.0
"""MiB that a browser takes without accounts, and for each account with a heavy page."""
UNEVEN = 1.25
"""Factor of its exact share that a node may have; a larger one moves fewer accounts when nodes come and go."""
KEPT = 4
"""Results that are cached, since nodes make far more steps than changes."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node as a place for accounts: how many it can have, which it has, and which it cannot open."""

    node: str
    capacity: int
    held: frozenset[str] = frozenset()
    is_draining: bool = False
    unfit: frozenset[str] = frozenset()

    def takes(self, account: str) -> bool:
        """Tell whether the account may stay on or move to this node."""
        is_open = account in self.held or len(self.held) < self.capacity
        return is_open and not self.is_draining and account not in self.unfit


def capacity_of(memory: float) -> int:
    """Return how many accounts fit into so many MiB."""
    return max(int((memory - MEMORY_ALONE) / MEMORY_EACH), 1)


def targets(accounts: Collection[str], places: Collection[Place]) -> Mapping[str, str]:
    """Return the node on which each of these accounts should be, wherever it is now; leave out those that fit nowhere.

    Other accounts of a node reduce its capacity.
    """
    names = frozenset(accounts)
    alike = (
        replace(place, held=frozenset(), capacity=room)
        for place in places
        if not place.is_draining and (room := place.capacity - len(place.held - names)) > 0
    )
    return _targets(names, tuple(sorted(alike, key=lambda place: place.node)))


@lru_cache(KEPT)
def _targets(accounts: frozenset[str], places: Sequence[Place]) -> Mapping[str, str]:
    room = {place.node: _share(place, places, len(accounts)) for place in places}
    found = {}
    for account in sorted(accounts):
        open_ = (place for place in places if room[place.node] > 0 and account not in place.unfit)
        if (best := max(open_, key=lambda place: _score(account, place), default=None)) is not None:
            found[account] = best.node
            room[best.node] -= 1
    return found


def _share(place: Place, places: Sequence[Place], accounts: int) -> int:
    """Return how many accounts a node may have; the shares add up to all accounts unless the nodes are full."""
    exact = accounts * place.capacity / sum(one.capacity for one in places)
    return min(place.capacity, max(math.ceil(exact), math.floor(exact * UNEVEN)))


def ranking(account: str, target: str | None, places: Collection[Place]) -> Sequence[str]:
    """Return the nodes that can take the account now, the best first: its target, then by its ranking."""
    scored = [(place.node == target, _score(account, place), place.node) for place in places if place.takes(account)]
    return [node for *_, node in sorted(scored, reverse=True)]


def wait_of(node: str, ranked: Sequence[str]) -> float | None:
    """Return how many steps a node leaves a free account to the nodes ranked before it; None if it may not take it."""
    return min(ranked.index(node) * STEP, LONGEST_WAIT) if node in ranked else None


def misplaced(place: Place, wanted: Mapping[str, str], places: Collection[Place]) -> list[str]:
    """Return the accounts of a node that should move to another one; none returns while the nodes stay the same.

    An account whose target has no room stays, as no other node could take it: two full nodes exchange nothing.
    """
    if place.is_draining:
        return sorted(place.held)
    room = {one.node: one.capacity - len(one.held) for one in places if not one.is_draining}
    found = []
    for name in sorted(place.held):
        target = wanted.get(name, place.node)
        if target != place.node and room.get(target, 0) > 0:
            room[target] -= 1
            found.append(name)
    return found


def _score(account: str, place: Place) -> float:
    digest = blake2b(f"{place.node}\n{account}".encode(), digest_size=8).digest()
    return place.capacity / -math.log((int.from_bytes(digest) + 1) / (2**64 + 2))
