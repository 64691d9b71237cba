"""The operator's side of a cluster: what the dashboard, a script or a command sees of its nodes, and does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Leaving = Literal["", "draining", "stopping"]
"""Whether a node gives back its accounts: because its operator wants it, or because it is about to stop."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node stands; `capacity` is how many accounts it takes, `busy` how many of them answer a chat now."""

    name: str
    address: str
    version: str
    accounts: int
    capacity: int
    ready: int
    busy: int
    waiting: int
    """Chats that wait in its queue."""
    leaving: Leaving = ""
    clock_ahead: float = 0.0
    """By how many seconds its clock is ahead of that of Redis, or behind as a negative number; 0 where it is right."""
    is_own: bool = False
    """Whether it is the node that tells of it."""


class ClusterControl(Protocol):
    """The nodes that share one pool, as one of them sees them."""

    def nodes(self) -> Sequence[NodeStatus]:
        """Return the nodes that are there, in the order of their names, as they were a second ago."""
        ...

    def unplaced(self) -> Sequence[str]:
        """Return the accounts that no node has."""
        ...

    async def drain(self, node: str, *, is_draining: bool) -> NodeStatus:
        """Have a node give back all its accounts and take none, or let it take some again.

        Raises `NotThere` where there is no such node, and `ClusterUnavailable` where the nodes cannot be told.
        """
        ...
