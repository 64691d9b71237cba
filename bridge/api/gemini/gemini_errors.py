"""Errors in the form of Google's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api.http_errors import Failure

STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's status names by HTTP status; others are `INVALID_ARGUMENT` below 500 and `INTERNAL` above."""
SERVER_ERROR = 500
TYPE = "type.googleapis.com/google.rpc."
GEMINI_ERROR_SCHEMA: Mapping[str, Any] = {
    "title": "GeminiError",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status", "details"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def gemini_error(failure: Failure) -> dict[str, Any]:
    """Return the body of a failure."""
    other = "INTERNAL" if failure.status >= SERVER_ERROR else "INVALID_ARGUMENT"
    error = {"code": failure.status, "message": failure.message, "status": STATUSES.get(failure.status, other)}
    return {"error": {**error, "details": _details(failure)}}


def _details(failure: Failure) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = [
        {"@type": f"{TYPE}ErrorInfo", "reason": failure.code.upper(), "domain": "chat-page-bridge"}
    ]
    if failure.param:
        violation = {"field": failure.param, "description": failure.message}
        details.append({"@type": f"{TYPE}BadRequest", "fieldViolations": [violation]})
    if wait := failure.headers.get("retry-after"):
        details.append({"@type": f"{TYPE}RetryInfo", "retryDelay": f"{wait}s"})
    return details
