"""Which node should have which account: each account ranks the nodes, so that all nodes agree without a leader.

Weighted rendezvous hashing: a node that joins or leaves moves only the accounts that go to it or were its own, and a
node of twice the weight gets twice as many.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b

STEP = 1.0
"""Seconds that the second choice of an account leaves to the first one, the third to the second, and so on."""
LONGEST_WAIT = 3.0
MEMORY_ALONE, MEMORY_EACH = 250.0, 120.0
"""MiB that a browser takes without accounts, and for each of them with a heavy page."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node as accounts see it: how many it can have, and which it has."""

    node: str
    capacity: int
    held: frozenset[str] = frozenset()
    is_draining: bool = False

    def takes(self, account: str) -> bool:
        """Tell whether the account may be here, or may come."""
        return not self.is_draining and (account in self.held or len(self.held) < self.capacity)


def capacity_of(memory: float) -> int:
    """Return how many accounts fit into so many MiB."""
    return max(int((memory - MEMORY_ALONE) / MEMORY_EACH), 1)


def ranking(account: str, places: Collection[Place]) -> Sequence[str]:
    """Return the nodes that take the account, the best first."""
    scored = [(_score(account, place), place.node) for place in places if place.takes(account)]
    return [node for _, node in sorted(scored, reverse=True)]


def wait_of(node: str, ranked: Sequence[str]) -> float | None:
    """Return the seconds for which a node leaves a free account to those that rank before it; None: for ever."""
    return min(ranked.index(node) * STEP, LONGEST_WAIT) if node in ranked else None


def misplaced(place: Place, places: Collection[Place]) -> list[str]:
    """Return the accounts of a node that another one should have; none comes back to it as long as the nodes stay."""
    if place.is_draining:
        return sorted(place.held)
    return [name for name in sorted(place.held) if (ranked := ranking(name, places)) and ranked[0] != place.node]


def _score(account: str, place: Place) -> float:
    digest = blake2b(f"{place.node}\n{account}".encode(), digest_size=8).digest()
    return place.capacity / -math.log((int.from_bytes(digest) + 1) / (2**64 + 2))
