"""The operator's view and control of all nodes from one of them: a `ClusterControl`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.chat.cluster_control import Leaving, NodeStatus
from bridge.cluster.cluster_node import ClusterNode
from bridge.cluster.node_directory import NodeInfo


class NodeControl:
    """The nodes as `node` sees them."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def nodes(self) -> Sequence[NodeStatus]:
        """Return the nodes; a node that is restarting appears once, with its new start. See `ClusterControl`."""
        others = [info for info in self._node.view.nodes if info.id != self._node.id]
        leaving_first = sorted([*others, self._node.info()], key=lambda info: not info.is_draining)
        known = {info.node: info for info in leaving_first}
        return [self._status(known[name]) for name in sorted(known)]

    def unplaced(self) -> Sequence[str]:
        """Return the accounts that no node has; see `ClusterControl`."""
        return sorted(self._node.view.free)

    async def drain(self, node: str, *, is_draining: bool) -> NodeStatus:
        """Drain a node, or stop draining it; see `ClusterControl`."""
        await self._node.directory.drain(node, is_draining=is_draining)
        self._node.note_drained(node, is_draining=is_draining)
        gone = NodeStatus(node, "", "", 0, 0, 0, 0, 0)
        return next((status for status in self.nodes() if status.name == node), gone)

    def _status(self, info: NodeInfo) -> NodeStatus:
        states = [account.get("state") for account in info.accounts]
        leaving: Leaving = "stopping" if info.is_stopping else "draining" if info.node in self._node.drained else ""
        return NodeStatus(
            name=info.node,
            address=info.address,
            version=info.version,
            accounts=len(states),
            capacity=info.capacity,
            ready=states.count("ready"),
            busy=sum(bool(account.get("is_busy")) for account in info.accounts),
            waiting=info.waiting,
            leaving=leaving,
            clock_ahead=info.clock_ahead,
            is_own=info.id == self._node.id,
        )
