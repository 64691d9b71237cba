"""The health paths, which need no key: whether the process answers, and whether it can take a chat."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import hdrs, web

from bridge.api.access.guard import KEY, LET_IN
from bridge.api.api_dialect import Dialects
from bridge.chat.types import ChatBackend
from bridge.monitor.state_json import describe

NO_STORE = {"cache-control": "no-store"}


class Health:
    """Handlers of the open paths; without a key they tell about accounts only why none can take a chat."""

    def __init__(self, backend: ChatBackend, dialects: Dialects, *, has_page: bool) -> None:
        self._backend = backend
        self._dialects = dialects
        self._has_page = has_page

    async def root(self, request: web.Request) -> web.Response:
        """Return a description, redirect a browser to the dashboard, or on a dialect's own port return its greeting."""
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
        """Return `pong`."""
        return web.Response(text="pong", headers=NO_STORE)

    async def alive(self, _: web.Request) -> web.Response:
        """Return ok, because the process answers."""
        return web.json_response({"status": "ok"}, headers=NO_STORE)

    async def ready(self, request: web.Request) -> web.Response:
        """Tell whether the bridge can take a chat, and if not, why; with a key, add the states of the accounts."""
        reason = self._backend.unready()
        body: dict[str, object] = {"status": "ready"} if reason is None else {"status": "unready", "reason": reason}
        key = request.get(KEY)
        if request.get(LET_IN) and (key is None or key.scope != "metrics"):
            body["accounts"] = [describe(account) for account in self._backend.accounts()]
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(body, status=status, headers=NO_STORE)
