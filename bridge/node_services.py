"""Services between the nodes of a cluster beside chats: live views, and checks of the site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from bridge.chat.account_control import Finding
from bridge.chat.other_nodes import understood
from bridge.health_checks import examine_site
from bridge.liveview.view_registry import ViewRegistry
from bridge.pool.pool import Pool
from bridge.running_pools import Everywhere
from bridge.settings import PageSettings

SiteCheck = Callable[[str], Awaitable[Sequence[Finding]]]


def site_check(pool: Pool, everywhere: Everywhere, settings: PageSettings) -> SiteCheck:
    """Return the check of the site on an account's page, on any node."""
    own = partial(examine_site, pool, settings)
    if isinstance(everywhere, Pool):
        return own

    async def answered(name: str) -> dict[str, Any]:
        return {"findings": [[one.name, one.ok, one.text] for one in await own(name)]}

    async def check(name: str) -> Sequence[Finding]:
        if (node := everywhere.node_of(name)) is None:
            return await own(name)
        said = await everywhere.called(node, "examine", name)
        with understood(node.node):
            return [
                Finding(str(what), ok if ok is None else bool(ok), str(text)) for what, ok, text in said["findings"]
            ]

    everywhere.operations.more["examine"] = answered
    return check


def share_views(everywhere: Everywhere, views: ViewRegistry) -> None:
    """Let viewers of this node see the pages of all nodes, and the reverse."""
    if isinstance(everywhere, Pool):
        return
    from bridge.api.admin.peer_views import peer_view  # imported only in a cluster
    from bridge.cluster.remote_views import RemoteViews

    remote = views.elsewhere = RemoteViews(everywhere)
    everywhere.server.view = peer_view(views.of_own_account, remote.until_moved)
