"""`/v1/files`: files that are kept here, so that chats can name them by id."""

from __future__ import annotations

import asyncio
import re
from itertools import dropwhile
from typing import Annotated, Any, BinaryIO, Literal, cast

from aiohttp import web
from aiohttp.web_request import FileField
from pydantic import Field

from bridge.api.attached import named
from bridge.api.failure import dump
from bridge.api.lenient import Lenient
from bridge.api.openai_request import validated
from bridge.errors import RequestError
from bridge.files import DAY, FileStore, StoredFile

DOWNLOAD = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
INNER = re.compile(r"(\w+)\[(\w+)\]")
"""How a form names the field of an object."""


class ExpiresAfter(Lenient):
    """How long a file shall be kept."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class FileForm(Lenient):
    """What comes with a file; the file itself is the field `file`."""

    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    expires_after: ExpiresAfter | None = None


class Listing(Lenient):
    """Which files are listed, and in which order."""

    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: str | None = None


class Files:
    """The stored files."""

    path = "/v1/files"

    def __init__(self, store: FileStore) -> None:
        self._store = store

    async def keep(self, request: web.Request) -> web.Response:
        """Keep a file that came in a form."""
        fields = await _form(request)
        file = fields.pop("file", None)
        form = validated(FileForm, fields)
        if not isinstance(file, FileField):
            raise RequestError("The form has no file in its field `file`.", param="file")
        name = named(file.filename, file.content_type, "")
        days = form.expires_after.seconds / DAY if form.expires_after else None
        source = cast(BinaryIO, file.file)
        kept = await asyncio.to_thread(self._store.keep, source, name, file.content_type, form.purpose, days)
        return _json(_described(kept))

    async def all(self, request: web.Request) -> web.Response:
        """List the files, page by page."""
        wanted = validated(Listing, dict(request.query))
        found = [file for file in await asyncio.to_thread(self._store.all) if wanted.purpose in (None, file.purpose)]
        if wanted.order == "asc":
            found.reverse()
        if wanted.after is not None:
            found = list(dropwhile(lambda file: file.id != wanted.after, found))[1:]
        page = found[: wanted.limit]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        body = {"object": "list", "data": list(map(_described, page)), "first_id": first, "last_id": last}
        return _json({**body, "has_more": len(found) > len(page)})

    async def one(self, request: web.Request) -> web.Response:
        """Describe a file."""
        return _json(_described(await asyncio.to_thread(self._store.one, request.match_info["id"])))

    async def content(self, request: web.Request) -> web.Response:
        """Return a file's bytes."""
        data = await asyncio.to_thread(self._store.content, request.match_info["id"])
        return web.Response(body=data, content_type="application/octet-stream", headers=DOWNLOAD)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a file."""
        id_ = request.match_info["id"]
        await asyncio.to_thread(self._store.delete, id_)
        return _json({"id": id_, "object": "file", "deleted": True})


async def _form(request: web.Request) -> dict[str, Any]:
    """Return the fields of a form, those with a name like `a[b]` as fields of an object `a`."""
    try:
        given = await request.post()
    except (ValueError, LookupError, RuntimeError, AssertionError):
        raise RequestError("The body is not a form that can be read.") from None
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if match := INNER.fullmatch(name):
            outer = fields.setdefault(match[1], {})
            if isinstance(outer, dict):
                outer[match[2]] = value
        else:
            fields[name] = value
    return fields


def _described(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created),
        "expires_at": int(file.expires),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
