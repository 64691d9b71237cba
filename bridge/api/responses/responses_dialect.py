"""OpenAI's Responses API: its errors, headers and models are those of the default dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.api.api_dialect import Dialect, DialectParts
from bridge.api.http_errors import Failure, error_body
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_socket import ResponseSockets
from bridge.api.responses.responses_surface import InputTokens, ResponsesSurface
from bridge.api.route_table import Operation
from bridge.api.surface import Surface
from bridge.settings import ApiSettings
from bridge.storage.response_store import ResponseStore


class Responses(Dialect):
    """Responses; no path or header is its own, so that requests on its paths belong to the default dialect."""

    def __init__(self, settings: ApiSettings, store: ResponseStore | None = None) -> None:
        self._settings = settings
        self._store = store
        self._kept = KeptResponses(store)

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the way to chat, and what counts the tokens of one."""
        return ResponsesSurface(self._settings, self._kept), InputTokens(self._settings)

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return the socket, and what is served of responses that are kept."""
        sockets = ResponseSockets(self._settings, self._store, parts)
        return (sockets.operation(), *self._kept.operations())

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return error_body(failure)
