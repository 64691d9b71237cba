"""Handlers that list the last chats, cancel a chat, and serve its texts and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from bridge.api.admin import query_parameters
from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.admin.all_chats import AllChats
from bridge.api.admin.archive import attachment, download
from bridge.api.admin.own_chats import OwnChats
from bridge.api.route_table import Operation
from bridge.monitor.chat_list import MOST_RECENT

PATH = "/admin/api/chats"
ONE = f"{PATH}/{{id}}"
SHOWN = 100


class Chats:
    """Handlers of the chats."""

    def __init__(self, parts: Parts) -> None:
        self._chats = AllChats(OwnChats(parts), parts.optional.nodes)

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        archive = "application/zip"
        return (
            Operation("GET", PATH, "List the ended chats, the newest first (`limit`, `before`)", self.all),
            Operation("GET", ONE, "Return the texts of a chat, if dashboard.history is on", self.texts),
            Operation("DELETE", ONE, "Cancel a waiting or running chat", self.cancel),
            Operation("GET", f"{ONE}/trace", "Download the trace of a chat", self.trace, answer=archive),
            Operation(
                "GET", f"{ONE}/bundle", "Download the diagnostic bundle of a failed chat", self.bundle, answer=archive
            ),
            Operation("GET", f"{ONE}/record", "Download the raw streams of a chat", self.record, answer=archive),
        )

    async def all(self, request: web.Request) -> web.StreamResponse:
        """List the chats."""
        limit = int(query_parameters.number(request, "limit", SHOWN, MOST_RECENT))
        chats, missing = await self._chats.recent(limit, query_parameters.text(request, "before") or None)
        return as_json({"chats": chats, **({"missing": missing} if missing else {})})

    async def texts(self, request: web.Request) -> web.StreamResponse:
        """Return the texts of a chat."""
        return as_json(await self._chats.texts(request.match_info["id"]))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a chat."""
        return as_json(await self._chats.cancel(request.match_info["id"]))

    async def trace(self, request: web.Request) -> web.StreamResponse:
        """Return the Playwright trace."""
        return await self._archive(request, "trace")

    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """Return the diagnostic bundle that was written when the chat failed."""
        return await self._archive(request, "bundle")

    async def record(self, request: web.Request) -> web.StreamResponse:
        """Return the raw streams."""
        return await self._archive(request, "record")

    async def _archive(self, request: web.Request, what: str) -> web.StreamResponse:
        id_ = request.match_info["id"]
        name = f"{what}-{id_}.zip"
        async with self._chats.archive(what, id_) as found:
            if isinstance(found, Path):
                return web.FileResponse(found, headers=attachment(name))
            if isinstance(found, bytes):
                return download(found, name)
            response = web.StreamResponse(headers=attachment(name))
            response.content_type = "application/zip"
            await response.prepare(request)
            async for piece in found:
                await response.write(piece)
        return response
