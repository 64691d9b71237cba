"""Handlers that list, add, limit and revoke API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.access.rate_limiter import RateLimiter
from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Operation
from bridge.monitor.state_json import when
from bridge.storage.api_keys import LONGEST_NAME, Key
from bridge.storage.key_limits import KeyLimits, limits_of
from bridge.storage.named_keys import Scope

PATH = "/admin/api/keys"


class KeyForm(Form, KeyLimits):
    """A new key's name, scope (`chat`: the endpoint, `admin`: everything, `metrics`: only /metrics), and limits."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_NAME)]
    scope: Scope = "chat"


class KeyChange(Form, KeyLimits):
    """The limits to change; null or an empty list removes a limit, and fields that are not given do not change."""


class Keys:
    """Handlers of the API keys."""

    def __init__(self, parts: Parts) -> None:
        self._access = parts.access
        self._limiter = parts.optional.limiter or RateLimiter(parts.access.named)
        self._parts = parts
        parts.monitor.more["keys"] = self._described

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        one = f"{PATH}/{{id}}"
        return (
            Operation("GET", PATH, "List the API keys; never a key itself", self.all),
            Operation("POST", PATH, "Add an API key, which is shown once", self.add, KeyForm),
            Operation("PATCH", one, "Change limits of an API key, with immediate effect", self.change, KeyChange),
            Operation("DELETE", one, "Revoke an API key, and end its sessions", self.revoke),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the keys."""
        return as_json({"keys": self._described()})

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Add a key."""
        given = await self._parts.body(request, KeyForm)
        limits = limits_of(given.model_dump(include=set(KeyLimits.model_fields)))
        key, text = await asyncio.shield(self._access.add(given.name, given.scope, limits))
        return as_json({**self._describe(key), "key": text}, 201)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Change some limits of a key."""
        given = await self._parts.body(request, KeyChange)
        changes = given.model_dump(exclude_unset=True)
        return as_json(self._describe(await asyncio.shield(self._access.change(request.match_info["id"], changes))))

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Revoke a key."""
        key = await self._access.revoke(request.match_info["id"])
        return as_json({"message": f"The key {key.name} is revoked."})

    def _described(self) -> list[dict[str, Any]]:
        return [self._describe(key) for key in self._access.keys]

    def _describe(self, key: Key) -> dict[str, Any]:
        return {
            "id": key.id,
            "name": key.name,
            "scope": key.scope,
            "created": when(key.created),
            "hint": key.hint,
            "limits": key.limits.model_dump(mode="json"),
            "used": self._limiter.used(key.id),
            "expired": self._access.has_expired(key),
            "plain": key.created is None,
        }
