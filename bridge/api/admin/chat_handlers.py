"""Handlers that list the last chats, cancel one, and serve the files of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from bridge.api.admin import query_parameters
from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.admin.archive import attachment, download
from bridge.api.route_table import Operation
from bridge.errors import NotThere
from bridge.monitor.chat_list import MOST_RECENT
from bridge.storage.zip_archive import in_folder, zipped
from bridge.telemetry import ChatEnded

PATH = "/admin/api/chats"
ONE = f"{PATH}/{{id}}"
SHOWN = 100


class Chats:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        archive = "application/zip"
        return (
            Operation("GET", PATH, "List the chats that have ended, the newest first (`limit`, `before`)", self.all),
            Operation("GET", ONE, "Return the texts of a chat, where dashboard.history has them kept", self.texts),
            Operation("DELETE", ONE, "End a chat that waits or runs", self.cancel),
            Operation("GET", f"{ONE}/trace", "Download the trace of a chat", self.trace, answer=archive),
            Operation("GET", f"{ONE}/bundle", "Download how the page looked", self.bundle, answer=archive),
            Operation("GET", f"{ONE}/record", "Download the raw streams of a chat", self.record, answer=archive),
        )

    async def all(self, request: web.Request) -> web.StreamResponse:
        """List the chats."""
        limit = int(query_parameters.number(request, "limit", SHOWN, MOST_RECENT))
        return as_json({"chats": self._parts.monitor.recent(limit, query_parameters.text(request, "before") or None)})

    async def texts(self, request: web.Request) -> web.StreamResponse:
        """Return the texts of a chat."""
        if self._parts.optional.history is None:
            raise NotThere("No texts of chats are kept; dashboard.history has them kept.")
        found = await self._parts.optional.history.find(request.match_info["id"])
        if found is None:
            raise NotThere("No texts of that chat are kept any more.")
        return as_json({"id": request.match_info["id"], **found})

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a chat."""
        id = request.match_info["id"]  # noqa: A001
        if not self._parts.control.cancel(id):
            raise NotThere("No chat of that id waits or runs.")
        return as_json({"message": "The chat is ended; its client is told so."})

    async def trace(self, request: web.Request) -> web.StreamResponse:
        """Return the trace, which is an archive already."""
        fact, folder = self._ended(request), self._parts.settings.browser.trace
        path = folder and folder / f"{fact.chat}.zip"
        if path is None or not await asyncio.to_thread(path.is_file):
            raise _missing("trace", "browser.trace")
        return web.FileResponse(path, headers=attachment(f"trace-{path.name}"))

    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """Return the bundle that was written because the chat failed."""
        fact = self._ended(request)
        folder = self._parts.settings.config / "bundles" / fact.bundle
        if not fact.bundle or not await asyncio.to_thread(folder.is_dir):
            raise NotThere("There is no bundle of that chat; one is written where a page is not as expected.")
        return await _archive(lambda: in_folder(folder), f"{folder.name}.zip")

    async def record(self, request: web.Request) -> web.StreamResponse:
        """Return the raw streams."""
        fact, folder = self._ended(request), self._parts.settings.browser.record
        if folder is None:
            raise _missing("recorded stream", "browser.record")
        return await _archive(lambda: _recorded(folder, fact.chat), f"record-{fact.chat}.zip")

    def _ended(self, request: web.Request) -> ChatEnded:
        """Return the chat of the path; only known ids are ever used in a file name."""
        ended = self._parts.monitor.chats.ended(request.match_info["id"])
        if ended is None:
            raise NotThere("No chat of that id is among the last that have ended.")
        return ended.fact


async def _archive(files: Callable[[], Sequence[Path]], name: str) -> web.Response:
    return download(await asyncio.to_thread(lambda: zipped(files())), name)


def _recorded(folder: Path, chat: str) -> Sequence[Path]:
    found = [folder / f"{chat}.request", *sorted(folder.glob(f"{chat}-[0-9]*.sse"))]
    if not (there := [path for path in found if path.is_file()]):
        raise _missing("recorded stream", "browser.record")
    return there


def _missing(what: str, setting: str) -> NotThere:
    return NotThere(f"There is no {what} of that chat; {setting} has them kept.")
