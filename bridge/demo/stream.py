"""One streamed HTTP response, flushed frame by frame or cut at random places."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

from aiohttp import web

HEARTBEAT = b": \n\n"
_CUT_SIZES = (1, 2, 3, 5, 8, 13, 40, 90)


class EventStream:
    """The streamed response to one request."""

    def __init__(self, request: web.Request, headers: Mapping[str, str], cut: int | None) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"cache-control": "no-cache", **headers})
        self._cuts = None if cut is None else random.Random(cut)
        self._held = b""
        self._next_cut = 1

    async def open(self) -> None:
        """Send the headers."""
        await self._response.prepare(self._request)

    async def send(self, data: bytes) -> None:
        """Write bytes to the socket, or raise ConnectionError if the client has left."""
        if self._cuts is None:
            await self._response.write(data)
            return
        self._held += data
        while len(self._held) >= self._next_cut:
            await self._write_piece(self._next_cut)
            self._next_cut = self._cuts.choice(_CUT_SIZES)

    async def flush(self) -> None:
        """Write the bytes that are held back for the next cut."""
        if self._held:
            await self._write_piece(len(self._held))

    async def close(self) -> web.StreamResponse:
        """End the response properly."""
        await self.flush()
        await self._response.write_eof()
        return self._response

    async def cut(self, hard: bool) -> None:
        """Cut the connection in the middle of the response: at once if `hard`, else after the sent bytes."""
        await self.flush()
        transport = self._request.transport
        if transport is not None:
            transport.abort() if hard else transport.close()

    @property
    def response(self) -> web.StreamResponse:
        """Return the aiohttp response."""
        return self._response

    async def _write_piece(self, size: int) -> None:
        piece, self._held = self._held[:size], self._held[size:]
        await self._response.write(piece)
        await asyncio.sleep(0)
