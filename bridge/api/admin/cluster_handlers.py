"""Handlers that list the nodes of the cluster and drain one; only a node of a cluster has them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bridge.api.admin.admin_context import as_json
from bridge.api.route_table import Operation
from bridge.chat.cluster_control import ClusterControl
from bridge.monitor.state_json import cluster, node

PATH = "/admin/api/cluster"
ONE = f"{PATH}/nodes/{{node}}"


class ClusterNodes:
    """Handlers of the nodes."""

    def __init__(self, control: ClusterControl) -> None:
        self._control = control

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        away = "Hand a node's accounts over to the other nodes, each after its running chat"
        return (
            Operation(
                "GET", PATH, "List the nodes that share the pool, and the accounts that no node drives", self.all
            ),
            Operation("POST", f"{ONE}/drain", away, self.drain),
            Operation("POST", f"{ONE}/undrain", "Let a node take accounts again", self.undrain),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the nodes."""
        return as_json(cluster(self._control))

    async def drain(self, request: web.Request) -> web.StreamResponse:
        """Drain the node."""
        return await self._drain(request, "{} gives back its accounts, each after its running chat.", is_draining=True)

    async def undrain(self, request: web.Request) -> web.StreamResponse:
        """Let the node take accounts again."""
        return await self._drain(request, "{} may take accounts again.", is_draining=False)

    async def _drain(self, request: web.Request, message: str, *, is_draining: bool) -> web.StreamResponse:
        status = await self._control.drain(request.match_info["node"], is_draining=is_draining)
        return as_json({"node": node(status), "message": message.format(status.name)})
