"""Gemini's API, which Google's SDKs use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NoReturn

from aiohttp import web

from bridge.api.api_dialect import Dialect, DialectParts, ListedModel
from bridge.api.gemini.gemini_errors import GEMINI_ERROR_SCHEMA, gemini_error
from bridge.api.gemini.gemini_surfaces import (
    CountTokens,
    CountTokensV1,
    GenerateContent,
    GenerateContentV1,
    StreamGenerateContent,
    StreamGenerateContentV1,
)
from bridge.api.history_turns import plain_name
from bridge.api.http_errors import Failure
from bridge.api.route_table import Operation
from bridge.api.surface import Surface
from bridge.errors import NotThere
from bridge.settings import ApiSettings

SURFACES = (
    GenerateContent,
    StreamGenerateContent,
    CountTokens,
    GenerateContentV1,
    StreamGenerateContentV1,
    CountTokensV1,
)
PRESET = re.compile(r"(?<![a-z])(?:gemini|gemma)(?![a-z])")
"""Words in the names of Google's models, which clients use by default."""
THINKING = re.compile(r"(?<![a-z])(?:pro|thinking)(?![a-z])")
"""Words in the names of models that think by default."""
METHODS = ("generateContent", "streamGenerateContent", "countTokens")
MOST_TOKENS = 1_048_576
"""The token limits that a model reports if they are unknown."""


class Gemini(Dialect):
    """Everything below `/v1beta/`, and the methods below `/v1/models/`."""

    prefixes = ("/v1beta/",)
    marks = ("x-goog-api-key", "x-goog-api-client")
    error_schema: ClassVar[Mapping[str, Any]] = GEMINI_ERROR_SCHEMA

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces for chats and for token counts."""
        return [surface(self._settings) for surface in SURFACES]

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return gemini_error(failure)

    def default_model(self, name: str, first: str) -> str | None:
        """Map each of Google's models to the accounts' first model, with thinking if it thinks by default."""
        if not PRESET.search(name.lower()):
            return None
        return f"{first}-think" if THINKING.search(name.lower()) else first

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any]:
        """Return the list of models, all of it on one page."""
        return {"models": list(map(self.model, listed))}

    def model(self, listed: ListedModel) -> dict[str, Any]:
        """Return the description of one model."""
        model = listed.model
        return {
            "name": f"models/{model.id}",
            "version": "1",
            "displayName": model.id,
            "description": "A model of the chat website behind the bridge.",
            "inputTokenLimit": model.context_length or MOST_TOKENS,
            "outputTokenLimit": model.context_length or MOST_TOKENS,
            "supportedGenerationMethods": [*METHODS],
            "thinking": True,
        }

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return the list of models under this API's path, and a handler that refuses other methods."""
        served = partial(Operation, error=self.error_schema, admission=parts.admission)
        return [
            served("GET", "/v1beta/models", "List the models as Gemini does", parts.list_models),
            served("GET", "/v1beta/models/{id}", "Describe one model as Gemini does", parts.describe_model),
            *(served("POST", f"/{version}/models/{{model}}:{{method}}", "", _refuse) for version in ("v1beta", "v1")),
        ]


async def _refuse(request: web.Request) -> NoReturn:
    """Raise `NotThere` for a method without a surface, such as those for embeddings or images."""
    method = plain_name(request.match_info["method"])
    raise NotThere(f"The method {method} is not served here; models have {', '.join(METHODS)}.")
