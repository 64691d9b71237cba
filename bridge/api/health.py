"""The health paths, which need no key: whether the process answers, and whether it could take a chat."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import hdrs, web

from bridge.api.access.guard import KEY, LET_IN
from bridge.api.api_dialect import Dialects
from bridge.chat.types import ChatBackend
from bridge.monitor.state_json import describe

NO_STORE = {"cache-control": "no-store"}


class Health:
    """The open paths; without a key they tell no more of the accounts than why none of them can take a chat."""

    def __init__(self, backend: ChatBackend, dialects: Dialects, *, has_page: bool) -> None:
        self._backend = backend
        self._dialects = dialects
        self._has_page = has_page

    async def root(self, request: web.Request) -> web.Response:
        """Tell a visitor what this is, or lead a person to the dashboard; a dialect's own port has its greeting."""
        if greeting := self._dialects.of(request).greeting:
            return web.Response(text=greeting)
        if self._has_page and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return web.Response(status=302, headers={hdrs.LOCATION: "dashboard"})
        return web.json_response(
            {
                "name": "chat-page-bridge",
                "description": "An OpenAI-style endpoint in front of a chat website.",
                "endpoints": ["/v1/chat/completions", "/v1/models", "/healthz", "/readyz"],
            }
        )

    async def ping(self, _: web.Request) -> web.Response:
        """Answer."""
        return web.Response(text="pong", headers=NO_STORE)

    async def alive(self, _: web.Request) -> web.Response:
        """Tell that the process answers."""
        return web.json_response({"status": "ok"}, headers=NO_STORE)

    async def ready(self, request: web.Request) -> web.Response:
        """Tell whether a chat could be taken now, and if not, why; to who has a key, how each account stands."""
        reason = self._backend.unready()
        body: dict[str, object] = {"status": "ready"} if reason is None else {"status": "unready", "reason": reason}
        key = request.get(KEY)
        if request.get(LET_IN) and (key is None or key.scope != "metrics"):
            body["accounts"] = [describe(account) for account in self._backend.accounts()]
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(body, status=status, headers=NO_STORE)
