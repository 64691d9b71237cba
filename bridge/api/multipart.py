"""Reads a multipart form with one file, which is written to the store as it arrives; other fields are small."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import RequestError
from bridge.storage.file_store import Upload

MOST_PARTS = 32
LONGEST_FIELD = 4096
"""Most bytes of a field that is not the file."""
PIECE = 65_536
INNER = re.compile(r"(\w+)\[(\w+)\]")
"""The name of a field of an object."""
BROKEN = (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError, web.RequestPayloadError)
"""Errors that aiohttp raises for malformed forms."""


async def read_form(request: web.Request, upload: Upload) -> tuple[dict[str, Any], str, str | None]:
    """Return the fields of a form, and its file's name and media type, None without a file.

    Fields with a name like `a[b]` become fields of an object `a`. The file's bytes go into `upload`.
    """
    form = _Form(upload)
    _check_size(request, request.content_length or 0)
    try:
        parts = await request.multipart()
        while (part := await parts.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name is None or form.count >= MOST_PARTS:
                raise ValueError
            await form.take(part, part.name)
            _check_size(request, request.content.total_bytes)
    except BROKEN:
        raise RequestError("The body is not a well-formed multipart form.") from None
    return form.fields, form.file_name, form.media_type


def _check_size(request: web.Request, size: int) -> None:
    if size > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, size)


class _Form:
    """The parts of a form read so far."""

    def __init__(self, upload: Upload) -> None:
        self.fields: dict[str, Any] = {}
        self.count = 0
        self.file_name = ""
        self.media_type: str | None = None
        self._upload = upload

    async def take(self, part: BodyPartReader, name: str) -> None:
        """Read one part; ignores a file under another name."""
        self.count += 1
        if part.filename is None:
            self._set(name, await _text(part, name[:80]))
        elif name == "file":
            await self._take_file(part, part.filename)

    async def _take_file(self, part: BodyPartReader, file_name: str) -> None:
        if self.media_type is not None:
            raise RequestError("The form has more than one file in its field `file`.", param="file")
        self.file_name = file_name
        self.media_type = part.headers.get("content-type", "application/octet-stream")
        while chunk := await part.read_chunk(PIECE):
            async for data in part.decode_iter(chunk):
                await asyncio.to_thread(self._upload.write, bytes(data))

    def _set(self, name: str, value: str) -> None:
        if not (match := INNER.fullmatch(name)):
            self.fields[name] = value
        elif isinstance(outer := self.fields.setdefault(match[1], {}), dict):
            outer[match[2]] = value


async def _text(part: BodyPartReader, name: str) -> str:
    """Return the text of a part; raise a `RequestError` that names it if it is too long."""
    raw = bytearray()
    while chunk := await part.read_chunk(PIECE):
        raw += chunk
        if len(raw) > LONGEST_FIELD:
            raise RequestError(f"{name!r} in the form may have at most {LONGEST_FIELD} bytes.", param=name)
    return b"".join([bytes(data) async for data in part.decode_iter(raw)]).decode(part.get_charset("utf-8"))
