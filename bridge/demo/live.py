"""The WebSocket to each open page, over which the site sends its faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from bridge.demo.accounts import Account
from bridge.demo.backend import BACKEND

_CLOSING_SECONDS = 0.5
_PAGES: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("pages", set[web.WebSocketResponse])


class OpenPage:
    """One open page: receives its account's faults, and reports the ones that have struck."""

    def __init__(self, account: Account, socket: web.WebSocketResponse) -> None:
        self._account = account
        self._socket = socket
        self._clear = False
        self._sent = -1
        self.heard = -1

    def clear_storage(self) -> None:
        """Empty the page's localStorage."""
        self._clear = True

    async def run(self) -> None:
        """Serve the connection until the page closes it."""
        self._account.pages.add(self)
        self._account.changes.notify()
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send())
                await self._receive()
                sending.cancel()
        finally:
            self._account.pages.discard(self)
            self._account.changes.notify()

    async def _send(self) -> None:
        board = self._account.board
        while True:
            await self._account.changes.until(lambda: self._sent < board.version or self._clear, None)
            news: dict[str, Any] = {"version": board.version, "faults": board.on_page(), "clear": self._clear}
            self._sent, self._clear = board.version, False
            with contextlib.suppress(ConnectionError):
                await self._socket.send_json(news)

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            news = json.loads(message.data)
            if "used" in news:
                self._account.board.use(news["used"])
            if "heard" in news:
                self.heard = news["heard"]
                self._account.changes.notify()


async def live(request: web.Request) -> web.WebSocketResponse:
    """Open the WebSocket of one page, whose first message is its token."""
    socket = web.WebSocketResponse(timeout=_CLOSING_SECONDS)
    await socket.prepare(request)
    request.app[_PAGES].add(socket)
    try:
        token = (await socket.receive_json(timeout=5)).get("token", "")
        account = request.app[BACKEND].account_with_token(token)
        if account is not None:
            await OpenPage(account, socket).run()
    except (TypeError, ValueError, ConnectionError, TimeoutError):
        pass  # not the site's page, or it has gone
    finally:
        request.app[_PAGES].discard(socket)
    return socket


async def hang_up(app: web.Application) -> None:
    """Close all connections."""
    pages = app[_PAGES]
    for socket in list(pages):
        await socket.close()


def add_lines(app: web.Application) -> None:
    """Add the route of the WebSocket."""
    pages: set[web.WebSocketResponse] = set()
    app[_PAGES] = pages
    app.router.add_get("/live", live)
    app.on_shutdown.append(hang_up)
