"""Errors in the form of Anthropic's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api.http_errors import Failure
from bridge.errors import ContextTooLong, ThreadNotHeld

TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The types of errors by status; others are `invalid_request_error` below 500 and `api_error` above."""
DETAILED = frozenset({ThreadNotHeld.code})
"""Codes that SDKs react to, and read from the details."""
TOO_LONG = "prompt is too long: "
"""Prefix of the message by which clients recognize that they must compact their history."""
ERROR_SCHEMA: Mapping[str, Any] = {
    "title": "AnthropicError",
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"enum": sorted({*TYPES.values(), "invalid_request_error", "api_error"})},
                "message": {"type": "string"},
                "details": {"type": "object", "properties": {"error_code": {"enum": sorted(DETAILED)}}},
            },
        },
        "request_id": {"type": "string"},
    },
}


def error_body(failure: Failure) -> dict[str, Any]:
    """Return the error object; it has no field for the bad parameter, so the message names it."""
    param, message = failure.param, failure.message
    if param and param not in message:
        message = f"{param}: {message}"
    if failure.code == ContextTooLong.code:
        message = TOO_LONG + message
    kind = TYPES.get(failure.status, "invalid_request_error" if failure.status < 500 else "api_error")
    error: dict[str, Any] = {"type": kind, "message": message}
    if failure.code in DETAILED:
        error["details"] = {"error_code": failure.code}
    return {"type": "error", "error": error, "request_id": failure.request_id}
