"""Whether the bridge lives and could take a chat, for those who watch it: the only paths without a key."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bridge.chat import ChatBackend

NO_STORE = {"cache-control": "no-store"}


class Health:
    """The open paths; they tell nothing about accounts or keys."""

    def __init__(self, backend: ChatBackend) -> None:
        self._backend = backend

    async def root(self, _: web.Request) -> web.Response:
        """Tell a visitor what this is."""
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

    async def ready(self, _: web.Request) -> web.Response:
        """Tell whether a chat could be taken now, and if not, why."""
        reason = self._backend.unready()
        if reason is None:
            return web.json_response({"status": "ready"}, headers=NO_STORE)
        body = {"status": "unready", "reason": reason}
        return web.json_response(body, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=NO_STORE)
