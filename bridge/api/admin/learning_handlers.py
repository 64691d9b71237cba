"""Handlers of site learning: begin, show the state, let the bridge send the prompt, download the file, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.admin.archive import attachment
from bridge.api.route_table import Operation
from bridge.liveview.interface import SiteLearnings

PATH = "/admin/api/learnings"
ONE = f"{PATH}/{{id}}"
TOML = "application/toml"


class LearningForm(Form):
    """The address of an empty chat of the site, and a name for the site, by default from its address."""

    url: Annotated[StrictStr, Field(min_length=1, max_length=500)]
    name: Annotated[StrictStr, Field(min_length=1, max_length=32)] | None = None


class LearnSite:
    """Handlers of site learning."""

    def __init__(self, parts: Parts, learnings: SiteLearnings) -> None:
        self._parts = parts
        self._learnings = learnings

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, "List the site learnings of the last hour", self.all),
            Operation("POST", PATH, "Begin to learn a site: open its page for a person", self.begin, LearningForm),
            Operation("GET", ONE, "Return the state of a site learning, with its fields", self.one),
            Operation("POST", f"{ONE}/send", "Let the bridge send the prompt instead of the person", self.send),
            Operation("GET", f"{ONE}/file", "Download the site file that was written", self.file, answer=TOML),
            Operation("DELETE", ONE, "Cancel a site learning", self.give_up),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the site learnings."""
        return as_json({"learnings": [asdict(one) for one in self._learnings.all()]})

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Open the page of a site."""
        given = await self._parts.body(request, LearningForm)
        return as_json(asdict(await self._learnings.begin(given.url, given.name)))

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Return the state of a site learning."""
        return as_json(asdict(self._learnings.one(request.match_info["id"])))

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Let the bridge send the prompt."""
        return as_json(asdict(self._learnings.send(request.match_info["id"])))

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Return the site file."""
        id = request.match_info["id"]  # noqa: A001
        body, name = await self._learnings.site_file(id), self._learnings.one(id).name
        return web.Response(body=body, content_type=TOML, headers=attachment(f"{name}.toml"))

    async def give_up(self, request: web.Request) -> web.StreamResponse:
        """Cancel a site learning."""
        return as_json(asdict(await self._learnings.give_up(request.match_info["id"])))
