"""A server between a client and the bridge that counts the characters of each chat that the client asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

LARGEST = 2**26
CHATS = ("/chat/completions", "/messages", "/responses")
HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "content-encoding"}
"""Headers that concern one connection, and not the message."""


class CountingProxy:
    """Passes requests on, and keeps the size of each chat, in the order in which they came."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._behind = url
        self._session = session
        self.url = ""
        self.sent: list[int] = []
        """Characters of the body of each chat."""

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Answer one request as the server behind does."""
        body = await request.read()
        if request.method == "POST" and request.path.endswith(CHATS):
            self.sent.append(len(body.decode()))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        url = f"{self._behind}{request.path_qs}"
        async with self._session.request(request.method, url, data=body, headers=headers) as behind:
            kept = {name: value for name, value in behind.headers.items() if name.lower() not in HOP}
            response = web.StreamResponse(status=behind.status, headers=kept)
            await response.prepare(request)
            with suppress(ConnectionError):  # some clients go once they have read the last event
                async for piece in behind.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            return response


@asynccontextmanager
async def counting(url: str) -> AsyncIterator[CountingProxy]:
    """Run a proxy to the server at `url`."""
    async with aiohttp.ClientSession() as session:
        proxy = CountingProxy(url, session)
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", proxy.pass_on)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()
