"""All routes of the admin API: the router and the OpenAPI document are made from this one list."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api.admin.accounts import Accounts
from bridge.api.admin.add import Add
from bridge.api.admin.chats import Chats
from bridge.api.admin.figures import Figures
from bridge.api.admin.keys import Keys
from bridge.api.admin.live import Live
from bridge.api.admin.parts import Operation, Parts
from bridge.api.admin.setup import Setup
from bridge.api.admin.sign_in import SignIn
from bridge.api.admin.watch import Watch


def operations(parts: Parts) -> Sequence[Operation]:
    """Return every route of the admin API."""
    kinds = (SignIn, Watch, Accounts, Add, Chats, Figures, Keys, Setup)
    live = [Live(parts, parts.extras.live)] if parts.extras.live is not None else []
    groups = (*(kind(parts) for kind in kinds), *live)
    return [operation for group in groups for operation in group.operations()]
