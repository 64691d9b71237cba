"""The live view of an account on this node for a viewer on another node, which has authenticated the viewer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import web

from bridge.api.admin.live_sockets import serve_viewer
from bridge.chat.viewer_channel import ViewerChannel, ViewerMoved
from bridge.errors import RequestError, UnknownAccount

PING = 4.0
"""Seconds between two pings; short, so that a viewer whose node is lost soon loses the controls."""

Joining = Callable[[str, str], AbstractAsyncContextManager[ViewerChannel]]
"""Connects to the view of an account on this node; takes the names of the account and the viewer."""
UntilMoved = Callable[[str, int], Coroutine[None, None, None]]
"""Waits until this node's lease with that fencing number on an account ends, and raises `ViewerMoved`."""


def peer_view(join: Joining, until_moved: UntilMoved) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of the WebSocket."""

    async def handle(request: web.Request) -> web.StreamResponse:
        name, viewer, fence = (request.query.get(field, "") for field in ("name", "viewer", "fence"))
        if not fence.isdecimal():
            raise RequestError("fence must be a number.", param="fence")
        return await serve_viewer(request, _here(join, name, viewer), until_moved(name, int(fence)), PING)

    return handle


@asynccontextmanager
async def _here(join: Joining, name: str, viewer: str) -> AsyncGenerator[ViewerChannel]:
    """Join the view; for an account that has no page here, raise `ViewerMoved`, so that the other node looks again."""
    try:
        async with join(name, viewer) as channel:
            yield channel
    except UnknownAccount as error:
        raise ViewerMoved("The account has no page here.") from error
