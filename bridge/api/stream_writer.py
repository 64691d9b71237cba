"""Writes one streamed response: the headers, frames as they come, and keep-alives during silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from aiohttp import web

from bridge.settings import ServerSettings

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


async def send_whole(request: web.Request, response: web.Response) -> None:
    """Send a response before its handler ends; ignore a client that has disconnected."""
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()


class StreamWriter:
    """The streamed response to `request`; once it `is_open`, its status is sent and a failure can only be a frame.

    Two tasks write: the one with the answer, and `keep_alive`. The lock keeps their frames whole and the headers first,
    because preparing the response waits for the socket, and the other task must not write during that.
    """

    def __init__(self, request: web.Request, content_type: str, keep_alive: bytes, headers: Mapping[str, str]) -> None:
        self._opened = asyncio.Event()
        self.response = web.StreamResponse(headers={"content-type": content_type, **STREAM_HEADERS, **headers})
        self._request = request
        self._keep_alive = keep_alive
        self._writing = asyncio.Lock()
        self._is_complete = False
        self._clock = asyncio.get_running_loop().time
        self._written = self._clock()

    @property
    def is_open(self) -> bool:
        """Tell whether the status was sent or is being sent."""
        return self._opened.is_set()

    async def write(self, frames: bytes) -> None:
        """Send whole frames; raise `CancelledError` if the client has disconnected."""
        # Both are set before the first await: a keep-alive or a failure during it must see them.
        self._written = self._clock()
        was_open = self.is_open
        self._opened.set()
        try:
            async with self._writing:
                if self._is_complete:
                    return
                if not was_open:
                    await self.response.prepare(self._request)
                await self.response.write(frames)
        except ConnectionError as error:
            raise asyncio.CancelledError("the client has disconnected") from error

    async def complete(self) -> None:
        """End the response, so that its client does not wait any longer; drop later frames."""
        self._is_complete = True
        async with self._writing:
            with suppress(ConnectionError):  # the client has the whole answer
                await self.response.write_eof()

    async def write_all(self, frames: AsyncIterator[bytes], server: ServerSettings) -> web.StreamResponse:
        """Send frames as they come, with keep-alives between them, and return the response."""
        await self.write(self._keep_alive)  # with the headers, so that a stream without frames is not empty
        async with asyncio.TaskGroup() as tasks:
            heart = tasks.create_task(self.keep_alive(server.headers_after, server.keep_alive))
            async for frame in frames:
                await self.write(frame)
            heart.cancel()
        return self.response

    async def keep_alive(self, first: float, every: float) -> None:
        """Write a keep-alive after `first` seconds without headers, then after every `every` seconds of silence."""
        try:
            async with asyncio.timeout(first):
                await self._opened.wait()
        except TimeoutError:
            await self.write(self._keep_alive)
        while True:
            silence = self._clock() - self._written
            if silence >= every:
                await self.write(self._keep_alive)
            else:
                await asyncio.sleep(every - silence)
