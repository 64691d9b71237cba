"""Handlers that list, add and revoke API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Operation
from bridge.monitor.state_json import when
from bridge.storage.api_keys import LONGEST_NAME, Key, Scope

PATH = "/admin/api/keys"


class KeyForm(Form):
    """The name and the scope of a new key: `chat` for the endpoint, `admin` for everything, `metrics` for those."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_NAME)]
    scope: Scope = "chat"


class Keys:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._access = parts.access
        self._parts = parts
        parts.monitor.more["keys"] = self._described

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, "List the API keys; never a key itself", self.all),
            Operation("POST", PATH, "Add an API key, which is shown once", self.add, KeyForm),
            Operation("DELETE", f"{PATH}/{{id}}", "Revoke an API key, and end its sessions", self.revoke),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the keys."""
        return as_json({"keys": self._described()})

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Add a key."""
        given = await self._parts.body(request, KeyForm)
        key, text = await asyncio.shield(self._access.add(given.name, given.scope))
        return as_json({**_described(key), "key": text}, 201)

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Revoke a key."""
        key = await self._access.revoke(request.match_info["id"])
        return as_json({"message": f"The key {key.name} is revoked."})

    def _described(self) -> list[dict[str, Any]]:
        return [_described(key) for key in self._access.keys]


def _described(key: Key) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "scope": key.scope, "created": when(key.created), "hint": key.hint}
