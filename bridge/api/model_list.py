"""`/v1/models`: the names that clients may ask for, and what stands behind each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import web

from bridge.api.http_errors import dump
from bridge.chat.model_names import resolve_alias
from bridge.chat.types import ChatBackend, Model
from bridge.errors import BridgeError

FEATURES = ("stream", "tools", "json")
"""What every model can do here."""


class ModelList:
    """The listed models, their further names, and any one by its name."""

    path = "/v1/models"

    def __init__(self, backend: ChatBackend, aliases: Mapping[str, str]) -> None:
        self._backend = backend
        self._aliases = aliases
        self._created = int(time.time())

    async def all(self, _: web.Request) -> web.Response:
        """Return the models worth listing."""
        models = [*self._backend.models()]
        for alias in self._aliases:
            with suppress(BridgeError):  # no account that serves it
                models.append(self._named(alias))
        return _json({"object": "list", "data": list(map(self._described, models))})

    async def one(self, request: web.Request) -> web.Response:
        """Return one model, listed or not."""
        return _json(self._described(self._named(request.match_info["id"])))

    def _named(self, name: str) -> Model:
        return replace(self._backend.model(resolve_alias(name, self._aliases)), id=name)

    def _described(self, model: Model) -> dict[str, Any]:
        switches = {"thinking": model.thinking, "search": model.search, "files": model.files}
        described = {
            "id": model.id,
            "object": "model",
            "created": self._created,
            "owned_by": "chat-page-bridge",
            "features": [*FEATURES, *(name for name, on in switches.items() if on)],
            "show": model.show,
        }
        if model.context_length is not None:
            described["context_length"] = model.context_length
        meant = resolve_alias(model.id, self._aliases)
        return described if meant == model.id else {**described, "alias_of": meant}


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
