"""How the bridge is set up: the settings in force, the sites that it knows, and whether all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bridge.api.admin.admin_context import Operation, Parts, as_json
from bridge.monitor.state_json import when
from bridge.settings_sources import in_force
from bridge.sites.known_sites import known_sites


class Setup:
    """The handlers; keeps what the checks found the last time."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._examine = parts.extras.examine
        self._found: dict[str, Any] | None = None
        self._running = asyncio.Lock()
        parts.monitor.more["doctor"] = lambda: self._found

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        doctor = "/admin/api/doctor"
        return (
            Operation("GET", "/admin/api/settings", "List the settings in force, and their sources", self.settings),
            Operation("GET", "/admin/api/sites", "List the sites that accounts can be on", self.sites),
            Operation("GET", doctor, "Return what the last checks of everything found", self.last),
            Operation("POST", doctor, "Check everything, without sending anything", self.examine),
        )

    async def settings(self, _: web.Request) -> web.StreamResponse:
        """List the settings."""
        fields = ("name", "variable", "value", "source", "description")
        return as_json({"settings": [dict(zip(fields, row, strict=True)) for row in in_force(self._settings)]})

    async def sites(self, _: web.Request) -> web.StreamResponse:
        """List the sites."""
        found = await asyncio.to_thread(lambda: list(known_sites()))
        return as_json(
            {
                "sites": [
                    {"name": name, "title": driver.title or name, "url": driver.start_url} for name, driver in found
                ]
            }
        )

    async def last(self, _: web.Request) -> web.StreamResponse:
        """Return what was found."""
        return as_json(self._found)

    async def examine(self, _: web.Request) -> web.StreamResponse:
        """Make the checks; whoever asks meanwhile gets what these find."""
        asked = datetime.now(UTC)
        async with self._running:
            if self._found is None or self._found["at"] < asked.isoformat(timespec="seconds"):
                results = await self._examine()
                checks = [{"name": one.name, "ok": one.ok, "text": one.text, "advice": None} for one in results]
                self._found = {"at": when(datetime.now(UTC)), "checks": checks}
        return as_json(self._found)
