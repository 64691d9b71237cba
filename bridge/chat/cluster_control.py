"""The operator's interface to a cluster, for the dashboard, scripts and commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Leaving = Literal["", "draining", "stopping"]
"""Why a node gives back its accounts: an operator drains it, or it is about to stop; empty: it does not."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The state of a node; `capacity` is how many accounts it can take, `busy` how many answer a chat now."""

    name: str
    address: str
    version: str
    accounts: int
    capacity: int
    ready: int
    busy: int
    waiting: int
    """Chats waiting in its queue."""
    leaving: Leaving = ""
    clock_ahead: float = 0.0
    """Seconds by which its clock is ahead of Redis', negative if behind; 0 if it is right."""
    is_own: bool = False
    """Whether it is the reporting node itself."""


class ClusterControl(Protocol):
    """The nodes of a cluster, as one of them sees them."""

    def nodes(self) -> Sequence[NodeStatus]:
        """Return the present nodes, sorted by name, as of the last step."""
        ...

    def unplaced(self) -> Sequence[str]:
        """Return the accounts that no node has."""
        ...

    async def drain(self, node: str, *, is_draining: bool) -> NodeStatus:
        """Set a node to give back all its accounts, or to take accounts again.

        Raise `NotThere` if there is no such node, and `ClusterUnavailable` if the nodes cannot be notified.
        """
        ...
