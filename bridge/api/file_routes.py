"""`/v1/files`: stored files that chats name by id."""

from __future__ import annotations

import asyncio
from itertools import dropwhile
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from bridge.api.api_dialect import Dialects
from bridge.api.attachments.content_parts import named, typed
from bridge.api.attachments.stored_files import StoredFiles
from bridge.api.body_fields import validated
from bridge.api.http_errors import dump
from bridge.api.multipart import read_form
from bridge.api.request_model import Lenient
from bridge.durations import DAY
from bridge.errors import RequestError
from bridge.storage.file_store import StoredFile, Upload

DOWNLOAD = {
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "x-content-type-options": "nosniff",
}


class ExpiresAfter(Lenient):
    """How long to keep a file."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class FileForm(Lenient):
    """The fields that come with a file; the file itself is the field `file`."""

    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"] | None = None
    """The purpose of the file; required, except in dialects without this field."""
    expires_after: ExpiresAfter | None = None


class Listing(Lenient):
    """Which files to list, and in which order."""

    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: str | None = None


class Files:
    """Handlers of the stored files."""

    path = "/v1/files"

    def __init__(self, files: StoredFiles, dialects: Dialects) -> None:
        self._files = files
        self._dialects = dialects

    async def keep(self, request: web.Request) -> web.Response:
        """Store a file from a form."""
        upload = Upload(self._files.store)
        try:
            fields, name, media_type = await read_form(request, upload)
            form = validated(FileForm, fields)
            if media_type is None:
                raise RequestError("The form has no file in its field `file`.", param="file")
            if (purpose := form.purpose or self._dialects.of(request).file_purpose) == "":
                raise RequestError("purpose: Field required.", param="purpose")
            days = form.expires_after.seconds / DAY if form.expires_after else None
            media_type = typed(name, media_type)
            name = named(name, media_type, "")
            kept = await asyncio.to_thread(upload.keep, name, media_type, purpose, days)
            return _json(self._described(request, kept))
        finally:
            await asyncio.shield(asyncio.to_thread(upload.close))

    async def all(self, request: web.Request) -> web.Response:
        """List a page of the files."""
        wanted = validated(Listing, dict(request.query))
        found = [file for file in await self._files.all() if wanted.purpose in (None, file.purpose)]
        if wanted.order == "asc":
            found.reverse()
        if wanted.after is not None:
            found = list(dropwhile(lambda file: file.id != wanted.after, found))[1:]
        page = found[: wanted.limit]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        data = [self._described(request, file) for file in page]
        body = {"object": "list", "data": data, "first_id": first, "last_id": last}
        return _json({**body, "has_more": len(found) > len(page)})

    async def one(self, request: web.Request) -> web.Response:
        """Describe a file."""
        return _json(self._described(request, await self._files.one(request.match_info["id"])))

    async def content(self, request: web.Request) -> web.StreamResponse:
        """Return a file's bytes."""
        async with self._files.opened(request.match_info["id"]) as (size, pieces):
            response = web.StreamResponse(headers=DOWNLOAD)
            response.content_length = size
            await response.prepare(request)
            async for piece in pieces:  # if the client does not read, its connection is closed
                await response.write(piece)
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a file."""
        id_ = request.match_info["id"]
        await self._files.delete(id_)
        return _json(self._dialects.of(request).deleted_file(id_) or self._dialects.all[0].deleted_file(id_))

    def _described(self, request: web.Request, file: StoredFile) -> dict[str, Any] | None:
        return self._dialects.of(request).file(file) or self._dialects.all[0].file(file)


def _json(body: object) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
