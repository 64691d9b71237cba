"""OpenAI's Responses API: its errors, headers and models are those of the default dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.api.api_dialect import Dialect
from bridge.api.http_errors import Failure, error_body
from bridge.api.responses.responses_surface import ResponsesSurface
from bridge.api.surface import Surface
from bridge.settings import ApiSettings


class Responses(Dialect):
    """Responses; no path or header is its own, so that requests on its paths belong to the default dialect."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the way to chat."""
        return (ResponsesSurface(self._settings),)

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return error_body(failure)
