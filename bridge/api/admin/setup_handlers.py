"""Handlers of the settings in effect, the known sites, and the checks of the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Operation
from bridge.chat.account_control import Finding
from bridge.errors import AccountConflict, RequestError, UnknownAccount
from bridge.monitor.state_json import when
from bridge.settings_sources import in_force
from bridge.sites.known_sites import known_sites

DOCTOR = "/admin/api/doctor"
PAGES = 2
"""Most pages that a check of the site opens at a time."""


class SiteCheckForm(Form):
    """The account on whose page the site is checked; by default all accounts."""

    account: Annotated[StrictStr, Field(min_length=1, max_length=100)] | None = None


class Setup:
    """Handlers of settings, sites and checks; keeps the last findings."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._found: dict[str, Any] | None = None
        self._running = asyncio.Lock()
        self._of_site: dict[str, dict[str, Any]] = {}
        """The last findings of the site checks, by account."""
        self._checking: list[str] = []
        """The accounts that the running site check has left; only one check runs at a time."""
        parts.monitor.more["doctor"] = self._doctor

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", "/admin/api/settings", "List the settings in effect and their sources", self.settings),
            Operation("POST", "/admin/api/reload", "Reload the settings without dropping a chat", self.reload),
            Operation("GET", "/admin/api/sites", "List the supported sites", self.sites),
            Operation("GET", DOCTOR, "Return the findings of the last checks", self.last),
            Operation("POST", DOCTOR, "Check the bridge, without opening a page or sending anything", self.examine),
            Operation(
                "POST",
                f"{DOCTOR}/site",
                "Check the site on a page of one idle account or of all; sends nothing; chats for them wait",
                self.examine_site,
                SiteCheckForm,
            ),
        )

    async def settings(self, _: web.Request) -> web.StreamResponse:
        """List the settings."""
        fields = ("name", "variable", "value", "source", "description")
        return as_json({"settings": [dict(zip(fields, row, strict=True)) for row in in_force(self._parts.settings)]})

    async def reload(self, _: web.Request) -> web.StreamResponse:
        """Reload the settings, and return which of them need a restart."""
        if (reload := self._parts.optional.reload) is None:
            raise RequestError("This bridge cannot reload its settings.")
        done = await reload.now()
        return as_json({"changed": done.changed, "needs_restart": done.needs_restart, "message": str(done)})

    async def sites(self, _: web.Request) -> web.StreamResponse:
        """List the sites."""
        own_files = self._parts.settings.folders.site_files
        found = await asyncio.to_thread(lambda: list(known_sites(own_files)))
        return as_json(
            {
                "sites": [
                    {"name": site.name, "title": site.driver.title or site.name, "url": site.driver.start_url}
                    for site in found
                ]
            }
        )

    async def last(self, _: web.Request) -> web.StreamResponse:
        """Return the findings of the last checks."""
        return as_json(self._doctor())

    async def examine(self, _: web.Request) -> web.StreamResponse:
        """Run the checks; a request during a run gets the findings of that run."""
        asked = datetime.now(UTC)
        async with self._running:
            if self._found is None or self._found["at"] < asked.isoformat(timespec="seconds"):
                self._found = _described(await self._parts.optional.examine())
        return as_json(self._doctor())

    async def examine_site(self, request: web.Request) -> web.StreamResponse:
        """Check the site; the findings of each account are shown as soon as they are there."""
        given = await self._parts.body(request, SiteCheckForm)
        known = [account.name for account in self._parts.control.accounts()]
        names = [name for name in known if given.account in (None, name)]
        if given.account is not None and not names:
            raise UnknownAccount(f"There is no account {given.account!r} here.")
        if self._checking:
            raise AccountConflict(f"The site is being checked already: {', '.join(self._checking)}.")
        self._checking, room = list(names), asyncio.Semaphore(PAGES)
        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(self._look_at(name, room))
        finally:
            self._checking = []
        return as_json(self._doctor())

    async def _look_at(self, name: str, room: asyncio.Semaphore) -> None:
        async with room:
            found = await self._parts.optional.examine_site(name)
        self._of_site[name] = {"account": name, **_described(found)}
        self._checking = [other for other in self._checking if other != name]

    def _doctor(self) -> dict[str, Any] | None:
        """Return the last findings; those about the site only for accounts that still exist."""
        known = [account.name for account in self._parts.control.accounts()]
        self._of_site = {name: found for name, found in self._of_site.items() if name in known}
        if self._found is None and not self._of_site and not self._checking:
            return None
        found = self._found or {"at": None, "checks": []}
        return {**found, "site": list(self._of_site.values()), "checking": self._checking}


def _described(results: Sequence[Finding]) -> dict[str, Any]:
    checks = [{"name": one.name, "ok": one.ok, "text": one.text, "advice": None} for one in results]
    return {"at": when(datetime.now(UTC)), "checks": checks}
