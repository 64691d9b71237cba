"""The accounts as their operator sees them, and what can be done with each."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bridge.api.admin.parts import Operation, Parts, as_json
from bridge.monitor.sections import describe

PATH = "/admin/api/accounts"


class Accounts:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, "List the accounts, and how each stands", self.all),
            Operation("POST", f"{PATH}/{{name}}/check", "Look at once how the account stands", self.check),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the accounts."""
        return as_json({"accounts": self._parts.monitor.described()})

    async def check(self, request: web.Request) -> web.StreamResponse:
        """Open the account's page again if it is parked, and tell how it stands then; nothing is sent."""
        account = await self._parts.control.check(request.match_info["name"])
        return as_json({"account": describe(account), "message": f"{account}."})
