"""The files of a stand-in's prompts: uploaded by the page, processed for a moment, and named in the prompt."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from bridge.demo.envelope import document
from bridge.demo.standins.standin_accounts import StandInAccount, Upload
from bridge.demo.standins.standin_wire import Asked, Unacceptable, Wire

Handler = Callable[[StandInAccount, web.Request], Awaitable[web.Response]]


class Uploads:
    """The upload calls of one site."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def calls(self) -> Iterator[tuple[str, str, Handler]]:
        """Yield method, path and handler of each call."""
        wire = self._wire
        if wire.prepares_at:
            yield "GET", wire.prepares_at, self._prepare
        if wire.uploads_at:
            yield wire.uploads_by, wire.uploads_at, self._take
        if wire.reads_at:
            yield "POST", wire.reads_at, self._status

    async def _prepare(self, account: StandInAccount, _: web.Request) -> web.Response:
        """Return the address and id for an upload."""
        return document(self._wire.prepared(self._new(account, "")))

    async def _take(self, account: StandInAccount, request: web.Request) -> web.Response:
        switch = account.board.take("upload")
        if switch is not None and switch.name == "file":
            raise self._wire.no_file
        name, content = await self._wire.read_upload(request)
        if switch is not None:
            await asyncio.sleep(switch.params["seconds"])
        upload = request.match_info.get("id") or self._new(account, name)
        account.uploads[upload] = Upload(name, content, len(account.turns))
        account.changes.notify()
        return document(self._wire.uploaded(name, upload))

    async def _status(self, account: StandInAccount, request: web.Request) -> web.Response:
        """Return whether a file is processed; the first question about each file comes too early."""
        upload = account.uploads[(await request.json())["id"]]
        upload.questions += 1
        return document(self._wire.read_state(is_read=self._is_read(upload)))

    def _new(self, account: StandInAccount, name: str) -> str:
        upload = secrets.token_hex(8)
        account.uploads[upload] = Upload(name)
        return upload

    def _is_read(self, upload: Upload) -> bool:
        return not self._wire.reads_at or upload.questions > 1

    def named(self, account: StandInAccount, asked: Asked) -> tuple[str, ...]:
        """Return the names of a prompt's files; raise `Unacceptable` if one is missing or not processed yet."""
        for upload in asked.files:
            found = account.uploads.get(upload)
            if found is None or found.content is None:
                raise Unacceptable("there is no such file")
            if not self._is_read(found):
                raise Unacceptable("a file is not read yet")
        return tuple(name or account.uploads[upload].name for upload, name in asked.files.items())
