"""The Response object in its states, and parts of its items."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api.answer.answer_events import EndReason
from bridge.api.http_errors import Failure
from bridge.api.responses.responses_body import ResponsesRequest
from bridge.chat.tokens.usage import Usage

ID = "resp_"
INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by the end reason of its answer."""
RATE_LIMITED, BAD_REQUEST, SERVER_ERROR = 429, 400, 500

Item = dict[str, Any]


def begun(request: ResponsesRequest) -> dict[str, Any]:
    """Return a response before its first item."""
    return {
        "id": f"{ID}{request.dialect.id}",
        "object": "response",
        "created_at": request.created,
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        **request.dialect.echo,
    }


def ended(response: Mapping[str, Any], output: Sequence[Item], reason: EndReason, usage: Usage) -> dict[str, Any]:
    """Return a response at its end."""
    why = INCOMPLETE.get(reason)
    return {
        **response,
        "status": "incomplete" if why else "completed",
        "completed_at": None if why else int(time.time()),
        "incomplete_details": {"reason": why} if why else None,
        "output": list(output),
        "usage": usage_of(usage),
    }


def failed(response: Mapping[str, Any], output: Sequence[Item], failure: Failure) -> dict[str, Any]:
    """Return a failed response."""
    code = "rate_limit_exceeded" if failure.status == RATE_LIMITED else "server_error"
    if BAD_REQUEST <= failure.status < SERVER_ERROR and failure.status != RATE_LIMITED:
        code = "invalid_prompt"
    error = {"code": code, "message": failure.message}
    return {**response, "status": "failed", "error": error, "output": list(output)}


def cancelled(response: Mapping[str, Any], output: Sequence[Item]) -> dict[str, Any]:
    """Return a response that the client cancelled."""
    return {**response, "status": "cancelled", "output": list(output)}


def unfinished(response: Mapping[str, Any], status: str) -> dict[str, Any]:
    """Return a response in its state before the first item."""
    nothing = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
    return {**response, **nothing, "status": status, "output": []}


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return the usage of a response."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


def output_text(text: str = "", annotations: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the text part of a message."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def summary_text(text: str = "") -> dict[str, Any]:
    """Return the text part of a reasoning item."""
    return {"type": "summary_text", "text": text}
