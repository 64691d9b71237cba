"""A node's view of its cluster as of its last step: the nodes, the accounts, and since when; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.placement import Place

SETTLED = 2.0
"""Lease lengths for which a node must have been present before accounts move to it."""
LEFT = 60.0
"""Seconds after which an account that no node takes no longer counts as about to move to one."""


class ClusterView:
    """The cluster as one node sees it, where leases last `seconds`; times are those of one clock."""

    def __init__(self, seconds: float) -> None:
        self.nodes: Sequence[NodeInfo] = ()
        """The nodes that were present at the last step, this one included."""
        self.names: frozenset[str] = frozenset()
        """The accounts that a node has, or is about to take."""
        self.models: Mapping[str, Sequence[Mapping[str, Any]]] = {}
        """The base models of each site with such an account, kept while no node has it open."""
        self._seconds = seconds
        self._seen_since: dict[str, float] = {}
        self._free_since: dict[str, float] = {}

    def note_nodes(self, nodes: Sequence[NodeInfo], now: float) -> None:
        """Record the nodes that are present."""
        self.nodes = nodes
        self._seen_since = {info.id: self._seen_since.get(info.id, now) for info in nodes}

    def note_accounts(self, names: Collection[str], free: Collection[str], now: float) -> None:
        """Record the known accounts, and those that no node has."""
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        left = {name for name in free if self.free_for(name, now) > LEFT}
        self.names = frozenset(names) - left
        is_open = {str(one["name"]) for info in self.nodes for one in info.accounts if "site" in one}
        models = {site: bases for info in self.nodes for site, bases in info.models.items()}
        self.models = models if is_open >= self.names else {**self.models, **models}

    def free_for(self, name: str, now: float) -> float:
        """Return for how many seconds no node has had the account; 0 if one has it."""
        return now - self._free_since.get(name, now)

    @property
    def is_known(self) -> bool:
        """Tell whether the models of the other nodes, if there are any, are known."""
        is_alone = len(self.nodes) == 1
        return is_alone or bool(self.models) or not self.names

    @property
    def free(self) -> Collection[str]:
        """Return the accounts that no node had at the last step."""
        return self._free_since.keys()

    def knows(self, name: str) -> bool:
        """Tell whether the cluster has an account of that name, including one that no node takes."""
        return name in self.names or name in self._free_since

    def fence_of(self, name: str) -> int:
        """Return the largest fence under which a node says it holds the account; 0 if none does."""
        said = (account for info in self.nodes for account in info.accounts if account["name"] == name)
        return max((int(account.get("fence", 0)) for account in said), default=0)

    def held(self) -> set[str]:
        """Return the accounts that any node says it has."""
        return {str(account["name"]) for info in self.nodes for account in info.accounts}

    def places(self, own: NodeInfo) -> list[Place]:
        """Return each node as a place for accounts, with `own` up to date and only the last start of each."""
        return list({info.node: info.place for info in [*self.nodes, own]}.values())

    def settled(self, places: Sequence[Place], own: str, now: float) -> list[Place]:
        """Return the places to which accounts may move from the node `own`, and that node itself."""
        long_there = {info.node for info in self.nodes if now - self._seen_since[info.id] >= SETTLED * self._seconds}
        return [place for place in places if place.node in long_there or place.node == own]
