"""All routes of the admin API, from which the router and the OpenAPI document are generated."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api.admin.account_handlers import Accounts
from bridge.api.admin.add_account import Add
from bridge.api.admin.admin_context import Parts
from bridge.api.admin.chart_handlers import Figures
from bridge.api.admin.chat_handlers import Chats
from bridge.api.admin.cluster_handlers import ClusterNodes
from bridge.api.admin.key_handlers import Keys
from bridge.api.admin.learning_handlers import LearnSite
from bridge.api.admin.live_sockets import Live
from bridge.api.admin.setup_handlers import Setup
from bridge.api.admin.sign_in import SignIn
from bridge.api.admin.state_stream import Watch
from bridge.api.admin.usage_handlers import UsageFigures
from bridge.api.route_table import Operation


def operations(parts: Parts) -> Sequence[Operation]:
    """Return every route of the admin API."""
    kinds = (SignIn, Watch, Accounts, Add, Chats, Figures, Keys, UsageFigures, Setup)
    views = parts.optional.live
    live = (Live(parts, views), LearnSite(parts, views.learnings)) if views is not None else ()
    cluster = parts.monitor.cluster
    nodes = (ClusterNodes(cluster),) if cluster is not None else ()
    groups = (*(kind(parts) for kind in kinds), *live, *nodes)
    return [operation for group in groups for operation in group.operations()]
