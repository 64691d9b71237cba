"""The accounts as their operator sees them: how each stands, and opening a parked one again at once."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.chat import Account, ChatBackend

NO_STORE = {"cache-control": "no-store"}


class Accounts:
    """The handlers; they need a key."""

    path = "/admin/api/accounts"

    def __init__(self, backend: ChatBackend) -> None:
        self._backend = backend

    async def all(self, _: web.Request) -> web.Response:
        """List the accounts."""
        accounts = [describe(account) for account in self._backend.accounts()]
        return web.json_response({"accounts": accounts}, headers=NO_STORE)

    async def check(self, request: web.Request) -> web.Response:
        """Open the account's page again if it is parked, and tell how it stands then; nothing is sent."""
        account = await self._backend.check(request.match_info["name"])
        return web.json_response(describe(account), headers=NO_STORE)


def describe(account: Account) -> dict[str, Any]:
    """Return an account as JSON."""
    return {
        "name": account.name,
        "state": account.state,
        "reason": account.reason,
        "until": account.until and account.until.isoformat(timespec="seconds"),
        "busy": account.is_busy,
    }
