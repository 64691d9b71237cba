"""`/v1/models`: the names that clients may ask for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.api.base import dump
from bridge.chat import ChatBackend, Model


class ModelList:
    """The listed models, and any one by its name."""

    path = "/v1/models"

    def __init__(self, backend: ChatBackend) -> None:
        self._backend = backend

    async def all(self, _: web.Request) -> web.Response:
        """Return the models worth listing."""
        return _json({"object": "list", "data": [_described(model) for model in self._backend.models()]})

    async def one(self, request: web.Request) -> web.Response:
        """Return one model, listed or not."""
        return _json(_described(self._backend.model(request.match_info["id"])))


def _described(model: Model) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": 0, "owned_by": "chat-page-bridge"}


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
