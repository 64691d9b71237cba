"""Reads the body of a request as JSON, within the sender's size limit; large bodies off the event loop.

A small document can become gigabytes of objects, so its values are counted before any object is created.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import re
from collections.abc import Callable
from io import BytesIO
from typing import TypeVar

from aiohttp import web
from pydantic_core import from_json

from bridge.api.access.guard import LET_IN
from bridge.background import PIECE, off_loop
from bridge.errors import BodyTooLarge, RequestError
from bridge.settings import ServerSettings, TokenSettings

SMALL = 1024 * 1024
"""Largest body in bytes that is read without waiting for others."""
HUGE = 8 * SMALL
"""Size in bytes above which memory is released first."""
LARGE_AT_A_TIME = 2
"""Most larger bodies that are read and parsed at the same time."""
M_MMAP_THRESHOLD = -3
"""The option's number in glibc's `malloc.h`."""
MOST_VALUES = 200_000
"""Most commas, colons, opening brackets and braces, and strings in a document."""
BOM = b"\xef\xbb\xbf"
NO_MARKS = bytes(sorted(set(range(256)) - set(b",:[{")))
ESCAPES = re.compile(rb"\\(?:(u[dD][89abAB]..\\u[dD][c-fC-F]..)|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape sequence; the second group matches half of a surrogate pair without its other half."""

T = TypeVar("T")


class BodyReader:
    """Reads bodies; one instance serves all endpoints."""

    def __init__(self, server: ServerSettings, tokens: TokenSettings) -> None:
        self._most = server.max_body
        self._most_without_key = min(tokens.max_body, self._most)
        self._large = asyncio.Semaphore(LARGE_AT_A_TIME)
        _keep_no_large_blocks()

    async def read(self, request: web.Request, make: Callable[[object], T]) -> T:
        """Return `make(body)` for the decoded body; large bodies are decoded in a thread, `make` included."""
        body, pieces = BytesIO(), request.content.iter_any()
        self._check_size(request.content_length or 0, request)
        async for piece in pieces:
            body.write(piece)
            self._check_size(body.tell(), request)
            if body.tell() > SMALL:
                break
        else:
            return await off_loop(body.tell(), parse_body, body, make)
        async with self._large:
            if (request.content_length or self._most) > HUGE:
                await asyncio.to_thread(_give_back)
            async for piece in pieces:
                body.write(piece)
                self._check_size(body.tell(), request)
            return await asyncio.to_thread(parse_body, body, make)

    def _check_size(self, size: int, request: web.Request) -> None:
        """Raise `BodyTooLarge` above the limit, which is lower for userTokens that nobody has verified yet."""
        is_known = request.get(LET_IN, False)
        if size > (most := self._most if is_known else self._most_without_key):
            setting = "server.max_body" if is_known else "tokens.max_body, for requests without a key"
            raise BodyTooLarge(f"The body may have at most {most} bytes ({setting}).")


def decode_json(body: BytesIO) -> object:
    """Return the value of a JSON document; raise a `RequestError` with the position of a syntax error.

    Half of a surrogate pair, which cannot be encoded, becomes U+FFFD. Corrections are made in place, and the parser
    gets the bytes of `body` themselves, to avoid copies.
    """
    with body.getbuffer() as view:
        _check_values(view)
        if view[: len(BOM)] == BOM:
            view[: len(BOM)] = b" " * len(BOM)
    try:
        return from_json(body.getvalue(), cache_strings="keys")
    except ValueError as error:
        reason = str(error)
    if "surrogate" in reason or "hex escape" in reason:
        with body.getbuffer() as view:
            _replace_surrogates(view)
    try:
        return from_json(body.getvalue(), cache_strings="keys")
    except ValueError as error:
        raise RequestError(f"The body is not JSON in UTF-8: {error}.") from None


def parse_body(body: BytesIO, make: Callable[[object], T]) -> T:
    """Return `make(body)`; an error keeps no reference to the body, neither directly nor in its traceback."""
    try:
        value = decode_json(body)
        body.close()
        return make(value)
    except RequestError as error:
        failure = error.with_traceback(None)
        failure.__cause__ = failure.__context__ = value = None
    finally:
        body.close()
    raise failure


def _keep_no_large_blocks() -> None:
    """Make glibc return each large block as soon as it is free.

    By default it takes further blocks from its heap after the first one, and cannot trim that.
    """
    if (set_option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        set_option(M_MMAP_THRESHOLD, SMALL)


def _give_back() -> None:
    """Return the memory of earlier bodies to the system; reference cycles hold their texts until collected."""
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def _replace_surrogates(body: memoryview) -> None:
    """Replace each escaped half of a surrogate pair with the escape of U+FFFD, which has the same length."""
    for escape in ESCAPES.finditer(body):
        if escape[2]:
            body[escape.start() : escape.end()] = rb"\ufffd"


def _check_values(body: memoryview) -> None:
    """Raise `BodyTooLarge` if the document has too many values, without parsing it."""
    if len(body) <= MOST_VALUES:
        return
    values, within, held = 0, False, b""
    for place in range(0, len(body), PIECE):
        piece = held + body[place : place + PIECE]
        held = b"\\" if (len(piece) - len(piece.rstrip(b"\\"))) % 2 else b""
        parts = piece[: len(piece) - len(held)].replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        values += len(b"".join(parts[within::2]).translate(None, NO_MARKS)) + len(parts) // 2
        within ^= len(parts) % 2 == 0
        if values > MOST_VALUES:
            message = f"The body has more than {MOST_VALUES} JSON values; send fewer list entries and fields."
            raise BodyTooLarge(message)
