"""OpenAI's API for chat completions, the default dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api.api_dialect import Dialect, ListedModel
from bridge.api.http_errors import Failure, error_body
from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.openai.completions import OpenAICompletions
from bridge.api.openai.image_generations import OpenAIImages
from bridge.api.surface import Surface
from bridge.chat.rate_limits import RateLimit, RateLimits
from bridge.settings import ApiSettings
from bridge.storage.file_store import StoredFile

FEATURES = ("stream", "tools", "json")
"""Features of every model."""
HEADER = "x-ratelimit-{}-{}"


class OpenAI(Dialect):
    """Chat completions, completions, pictures, and the list of models."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces."""
        return OpenAIChat(self._settings), OpenAICompletions(self._settings), OpenAIImages(self._settings)

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return error_body(failure)

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any]:
        """Return the list object."""
        return {"object": "list", "data": list(map(self.model, listed))}

    def model(self, listed: ListedModel) -> dict[str, Any]:
        """Return the model object, with the switches of the model's name."""
        model = listed.model
        switches = {"thinking": model.thinking, "search": model.search, "files": model.files}
        described = {
            "id": model.id,
            "object": "model",
            "created": listed.created,
            "owned_by": "chat-page-bridge",
            "features": [*FEATURES, *(name for name, on in switches.items() if on)],
            "show": model.show,
        }
        if model.context_length is not None:
            described["context_length"] = model.context_length
        return described if listed.alias_of is None else {**described, "alias_of": listed.alias_of}

    def file(self, file: StoredFile) -> dict[str, Any]:
        """Return the file object."""
        return {
            "id": file.id,
            "object": "file",
            "bytes": file.size,
            "created_at": int(file.created),
            "expires_at": int(file.expires),
            "filename": file.name,
            "purpose": file.purpose,
            "status": "processed",
            "status_details": None,
        }

    def deleted_file(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the confirmation."""
        return {"id": id, "object": "file", "deleted": True}

    def headers(self, request_id: str, limits: RateLimits) -> Mapping[str, str]:
        """Return the rate limit headers."""
        return {**_left("requests", limits.requests), **_left("tokens", limits.tokens)}


def _left(kind: str, limit: RateLimit | None) -> Mapping[str, str]:
    if limit is None:
        return {}
    return {
        HEADER.format("limit", kind): str(limit.limit),
        HEADER.format("remaining", kind): str(limit.remaining),
        HEADER.format("reset", kind): duration(limit.reset),
    }


def duration(seconds: float) -> str:
    """Return a duration in OpenAI's form: `6m0s`, `1h0m5s`, `120ms`."""
    if seconds < 1:
        return f"{max(round(seconds * 1000), 0)}ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
