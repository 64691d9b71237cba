"""OpenAI's Responses API, which shares errors, headers and models with the default dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.api.api_dialect import Dialect, DialectParts
from bridge.api.http_errors import Failure, error_body
from bridge.api.responses.responses_answers import Answers
from bridge.api.responses.responses_conversations import ConversationRoutes
from bridge.api.responses.responses_elsewhere import Elsewhere
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_routes import ResponseRoutes
from bridge.api.responses.responses_socket import ResponseSockets
from bridge.api.responses.responses_surface import CompactSurface, InputTokens, ResponsesSurface
from bridge.api.route_table import Operation
from bridge.api.surface import Surface
from bridge.chat.other_nodes import OtherNodes
from bridge.settings import ApiSettings
from bridge.storage.response_store import ResponseStore
from bridge.tasks import Tasks


class Responses(Dialect):
    """The Responses API; it has no prefixes and marks, so requests on its paths belong to the default dialect."""

    def __init__(
        self,
        settings: ApiSettings,
        store: ResponseStore | None = None,
        tasks: Tasks | None = None,
        nodes: OtherNodes | None = None,
        mark: str = "",
    ) -> None:
        self._settings, self._mark = settings, mark
        elsewhere = Elsewhere(nodes)
        self._kept = KeptResponses(store, tasks, elsewhere, mark)
        elsewhere.answer(Answers(self._kept))

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces for responses, token counts and compaction."""
        settings, kept = self._settings, self._kept
        return ResponsesSurface(settings, kept), InputTokens(settings), CompactSurface(settings, kept)

    def operations(self, parts: DialectParts) -> Sequence[Operation]:
        """Return the routes of the WebSocket and of stored responses and conversations."""
        sockets = ResponseSockets(self._settings, self._kept, parts)
        routes = ResponseRoutes(self._kept, parts.server)
        conversations = ConversationRoutes(self._kept.conversations, parts.bodies)
        return (sockets.operation(), *routes.operations(), *conversations.operations())

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return error_body(failure)
