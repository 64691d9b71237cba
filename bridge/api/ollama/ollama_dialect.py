"""Ollama's API: chats, completions and the list of models, without pulling and embeddings."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn

from aiohttp import web
from pydantic import StrictStr

from bridge.api.api_dialect import Dialect, DialectParts, ListedModel
from bridge.api.body_fields import validated
from bridge.api.http_errors import Failure, dump
from bridge.api.ollama.ollama_chat import OllamaChat, OllamaGenerate, ollama_error
from bridge.api.ollama.ollama_models import OLLAMA_VERSION, running, shown, tags
from bridge.api.request_model import Lenient
from bridge.api.route_table import Operation
from bridge.api.surface import Surface
from bridge.errors import RequestError
from bridge.settings import ApiSettings

FIXED = "The models here are those of the bridge's accounts; none can be {}."
NO_EMBEDDINGS = "Embeddings are not available."
REFUSED = {
    ("POST", "/api/push"): FIXED.format("pushed"),
    ("POST", "/api/create"): FIXED.format("created") + " The setting api.aliases adds further names.",
    ("POST", "/api/copy"): FIXED.format("copied") + " The setting api.aliases adds further names.",
    ("DELETE", "/api/delete"): FIXED.format("deleted"),
    ("POST", "/api/embed"): NO_EMBEDDINGS,
    ("POST", "/api/embeddings"): NO_EMBEDDINGS,
}
"""Operations of Ollama that the bridge refuses, with the error messages."""


class OllamaModelBody(Lenient):
    """A model's name, in the current or the older field."""

    model: StrictStr | None = None
    name: StrictStr | None = None


class Ollama(Dialect):
    """Everything below `/api/`."""

    prefixes = ("/api/",)
    greeting = "Ollama is running"
    error_schema: ClassVar[Mapping[str, Any]] = {
        "title": "OllamaError",
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    }

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces."""
        return OllamaChat(self._settings), OllamaGenerate(self._settings)

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error."""
        return ollama_error(failure)

    def default_model(self, name: str, first: str) -> str | None:
        """Return the name without its tag, because each model has one version."""
        return name.partition(":")[0] or None if ":" in name else None

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any] | None:
        """Return the list of models."""
        return tags(listed)

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return the routes besides the surfaces."""
        served = partial(Operation, error=self.error_schema, admission=parts.admission)
        find = partial(_find, parts, self.default_model)

        async def show(request: web.Request) -> web.Response:
            return _json(shown(await find(request)))

        async def pull(request: web.Request) -> web.Response:
            await find(request)
            # One line serves as a whole answer and as a stream.
            return web.Response(body=dump({"status": "success"}) + b"\n", content_type=OllamaChat.stream_type)

        async def loaded(_: web.Request) -> web.Response:
            return _json(running(parts.listed(), time.time()))

        return [
            served("GET", "/api/tags", "List the models in Ollama's form", parts.list_models),
            served("GET", "/api/ps", "List the loaded models in Ollama's form", loaded),
            served("POST", "/api/show", "Describe one model in Ollama's form", show, OllamaModelBody, is_untyped=True),
            served("POST", "/api/pull", "", pull, OllamaModelBody, is_untyped=True),
            served("GET", "/api/version", "Return the version of Ollama's API", _version),
            *(served(method, path, "", _refuse(why), is_untyped=True) for (method, path), why in REFUSED.items()),
        ]


async def _find(parts: DialectParts, default: Callable[[str, str], str | None], request: web.Request) -> ListedModel:
    """Return the model that a body names."""
    asked = await parts.bodies.read(request, lambda body: validated(OllamaModelBody, body))
    if not (name := asked.model or asked.name):
        raise RequestError("model must name the model.", param="model")
    return parts.find_model(name, default)


def _refuse(why: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def refuse(_: web.Request) -> NoReturn:
        raise RequestError(why)

    return refuse


async def _version(_: web.Request) -> web.Response:
    return _json({"version": OLLAMA_VERSION})


def _json(body: object) -> web.Response:
    return web.Response(body=dump(body), content_type="application/json")
