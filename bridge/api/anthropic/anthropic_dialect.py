"""Anthropic's Messages API, which Claude Code and Anthropic's SDKs use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.api.anthropic.anthropic_errors import ERROR_SCHEMA, error_body
from bridge.api.anthropic.anthropic_messages import AnthropicMessages
from bridge.api.anthropic.anthropic_tokens import AnthropicTokenCount
from bridge.api.api_dialect import Dialect, ListedModel
from bridge.api.http_errors import Failure
from bridge.api.surface import Surface
from bridge.chat.rate_limits import RateLimit, RateLimits
from bridge.settings import ApiSettings
from bridge.storage.file_store import StoredFile

PRESET = re.compile(r"(?<![a-z])(?:claude|opus|sonnet|haiku)(?![a-z])")
"""Words in the names of Anthropic's models, which clients use by default."""
THINKING = re.compile(r"(?<![a-z])think(?:ing)?(?![a-z])")
HEADER = "anthropic-ratelimit-{}-{}"


class Anthropic(Dialect):
    """Messages, token counts, and the list of models."""

    prefixes = ("/v1/messages", "/messages")
    marks = ("anthropic-version",)
    file_purpose = "user_data"
    error_schema = ERROR_SCHEMA

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the surfaces for messages and for token counts."""
        return AnthropicMessages(self._settings), AnthropicTokenCount(self._settings)

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error object."""
        return error_body(failure)

    def default_model(self, name: str, first: str) -> str | None:
        """Map each of Anthropic's models to the accounts' first model, with thinking if its name asks for it."""
        if not PRESET.search(name.lower()):
            return None
        return f"{first}-think" if THINKING.search(name.lower()) else first

    def models(self, listed: Sequence[ListedModel]) -> dict[str, Any]:
        """Return the list object, all of it on one page."""
        data = list(map(self.model, listed))
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return {"data": data, "has_more": False, "first_id": first, "last_id": last}

    def model(self, listed: ListedModel) -> dict[str, Any]:
        """Return the model object."""
        return {
            "type": "model",
            "id": listed.model.id,
            "display_name": listed.model.id,
            "created_at": _time(datetime.fromtimestamp(listed.created, UTC)),
            "lifecycle": "active",
            "max_input_tokens": listed.model.context_length,
            "max_tokens": None,
        }

    def file(self, file: StoredFile) -> dict[str, Any]:
        """Return the file's metadata."""
        return {
            "type": "file",
            "id": file.id,
            "filename": file.name,
            "mime_type": file.media_type,
            "size_bytes": file.size,
            "created_at": _time(datetime.fromtimestamp(file.created, UTC)),
            "expires_at": _time(datetime.fromtimestamp(file.expires, UTC)),
            "downloadable": True,
        }

    def deleted_file(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return the confirmation."""
        return {"type": "file_deleted", "id": id}

    def headers(self, request_id: str, limits: RateLimits) -> Mapping[str, str]:
        """Return the request's id, and the rate limits."""
        return {"request-id": request_id, **_left("requests", limits.requests), **_left("tokens", limits.tokens)}


def _left(kind: str, limit: RateLimit | None) -> Mapping[str, str]:
    if limit is None:
        return {}
    return {
        HEADER.format(kind, "limit"): str(limit.limit),
        HEADER.format(kind, "remaining"): str(limit.remaining),
        HEADER.format(kind, "reset"): _time(datetime.now(UTC) + timedelta(seconds=limit.reset)),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
