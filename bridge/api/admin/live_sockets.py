"""The live views over WebSockets, and the remote logins: pictures as binary messages, everything else as JSON.

A browser sends its cookies with a WebSocket that any site opens, so the origin must be this server's; scripts, which
send no cookie, need an admin key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Annotated

from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from loguru import logger
from pydantic import Field, StrictStr

from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Operation
from bridge.chat.viewer_channel import LARGEST_MESSAGE, ViewerChannel, ViewerMoved, ViewerRefused
from bridge.errors import PermissionDenied, UnknownAccount
from bridge.liveview.interface import LiveViews
from bridge.tasks import first

PATH = "/admin/api/live"
LOGINS = "/admin/api/logins"
PING = 15.0
"""Seconds between two pings; a connection without an answer within half of that is closed."""
LONGEST_REASON = 120
"""Most bytes of the reason in a close frame; the protocol allows 123."""
SEND_LIMIT = 30.0
"""Seconds that sending one message to a viewer may take."""
MOVED = 4001
"""Close code that tells the viewer to reconnect, because another node has the page now."""


class LoginForm(Form):
    """The account to log in."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    site: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    url: Annotated[StrictStr, Field(max_length=500)] | None = None
    keep_browser: bool = False


class Live:
    """Handlers of live views and remote logins."""

    def __init__(self, parts: Parts, views: LiveViews) -> None:
        self._parts = parts
        self._views = views

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        view = "application/octet-stream"
        return (
            Operation(
                "GET", f"{PATH}/account/{{name}}", "WebSocket: an account's page, live", self.account, answer=view
            ),
            Operation("GET", f"{PATH}/login/{{id}}", "WebSocket: the page of a remote login", self.login, answer=view),
            Operation(
                "GET", f"{PATH}/learning/{{id}}", "WebSocket: the page of a site learning", self.learning, answer=view
            ),
            Operation("GET", LOGINS, "List the remote logins", self.all),
            Operation("POST", LOGINS, "Begin a remote login", self.begin, LoginForm),
            Operation("GET", f"{LOGINS}/{{id}}", "Return the state of a remote login", self.one),
            Operation("DELETE", f"{LOGINS}/{{id}}", "Cancel a remote login", self.give_up),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the logins."""
        return as_json({"logins": [asdict(login) for login in self._views.logins()]})

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Open the sign-in page for a person."""
        given = await self._parts.body(request, LoginForm)
        return as_json(asdict(await self._views.log_in(given.name, given.site, given.url or None, given.keep_browser)))

    async def one(self, request: web.Request) -> web.StreamResponse:
        """Return the state of a login."""
        return as_json(asdict(self._views.login(request.match_info["id"])))

    async def give_up(self, request: web.Request) -> web.StreamResponse:
        """Cancel a login."""
        return as_json(asdict(await self._views.give_up(request.match_info["id"])))

    async def account(self, request: web.Request) -> web.StreamResponse:
        """Serve the view of an account."""
        return await self._serve(request, self._views.of_account(request.match_info["name"], _viewer(request)))

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Serve the view of a remote login."""
        return await self._serve(request, self._views.of_login(request.match_info["id"], _viewer(request)))

    async def learning(self, request: web.Request) -> web.StreamResponse:
        """Serve the view of a site learning."""
        return await self._serve(request, self._views.of_learning(request.match_info["id"], _viewer(request)))

    async def _serve(
        self, request: web.Request, joining: AbstractAsyncContextManager[ViewerChannel]
    ) -> web.StreamResponse:
        check_origin(request)
        return await serve_viewer(request, joining, self._parts.guard.until_out(request))


async def serve_viewer(
    request: web.Request,
    joining: AbstractAsyncContextManager[ViewerChannel],
    until_signed_out: Coroutine[None, None, None],
    ping: float = PING,
) -> web.StreamResponse:
    """Join a view, and relay messages between it and the viewer until one side ends."""
    socket = web.WebSocketResponse(heartbeat=ping, max_msg_size=LARGEST_MESSAGE, compress=False)
    try:
        async with joining as viewer:
            await socket.prepare(request)
            await first(_send(socket, viewer), _receive(socket, viewer), until_signed_out)
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"signed out")
    except (ViewerRefused, UnknownAccount) as refused:
        await _end(request, socket, refused, WSCloseCode.POLICY_VIOLATION)
    except ViewerMoved as moved:
        await _end(request, socket, moved, MOVED)
    except (ConnectionError, TimeoutError):
        logger.debug("A viewer's connection broke")
    finally:
        until_signed_out.close()
    return socket


async def _end(request: web.Request, socket: web.WebSocketResponse, why: Exception, code: int) -> None:
    """Close the connection with the reason; open it first, because pages cannot see why a WebSocket never opened."""
    if not socket.prepared:
        if not socket.can_prepare(request):
            raise why
        await socket.prepare(request)
    reason = str(why).encode()[:LONGEST_REASON].decode(errors="ignore")
    await socket.close(code=code, message=reason.encode())


def check_origin(request: web.Request) -> None:
    """Raise `PermissionDenied` for a page of another site, and for a request with neither an origin nor a key."""
    host = request.headers.get(hdrs.HOST, "").lower()
    origins = {origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, ())}
    if not origins and hdrs.AUTHORIZATION in request.headers:
        return
    if len(origins) != 1 or not origins <= {f"http://{host}", f"https://{host}"}:
        raise PermissionDenied("A live view can be opened only from pages of this server.")


async def _send(socket: web.WebSocketResponse, viewer: ViewerChannel) -> None:
    while True:
        message = await viewer.next()
        async with asyncio.timeout(SEND_LIMIT):
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)


async def _receive(socket: web.WebSocketResponse, viewer: ViewerChannel) -> None:
    async for message in socket:
        match message.type:
            case WSMsgType.TEXT:
                await viewer.receive(message.data)
            case WSMsgType.BINARY:
                await viewer.receive_file(message.data)
            case _:
                return


def _viewer(request: web.Request) -> str:
    """Return the name that the viewer gives itself, or a unique one."""
    return request.query.get("viewer", "")[:64] or f"#{id(request)}"
