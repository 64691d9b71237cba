"""The live view of an account of this node for a viewer of another node, which has checked who that is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import web

from bridge.api.admin.live_sockets import serve_viewer
from bridge.chat.viewer_channel import ViewerChannel, ViewerMoved
from bridge.errors import RequestError, UnknownAccount

PING = 4.0
"""Seconds between two pings: the controls of a viewer whose node is lost are free soon."""

Joining = Callable[[str, str], AbstractAsyncContextManager[ViewerChannel]]
"""Connects to the view of an account of this node, for a viewer of that name."""
UntilMoved = Callable[[str, int], Coroutine[None, None, None]]
"""Waits until this node has an account under that fence no more, and raises `ViewerMoved` then."""


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
    """Join the view; an account that has no page yet, or not any more, is looked for again by the other node."""
    try:
        async with join(name, viewer) as channel:
            yield channel
    except UnknownAccount as error:
        raise ViewerMoved("The account has no page here.") from error
