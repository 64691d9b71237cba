"""What a client is told when something goes wrong, in the dialect of the path that met it."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from loguru import logger

from bridge.errors import (
    BridgeError,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAccount,
    RequestError,
    SetupError,
    SiteChanged,
    StorageError,
)

LONGEST_RETRY = 120
"""Seconds; the SDKs do not honour a longer `Retry-After`."""
HOPELESS = (RequestError, LoginRequired, HumanNeeded, Muted, SiteChanged, SetupError, StorageError)
"""Failures that the same request meets again until a human has done something."""
NO_RETRY = {"x-should-retry": "false"}
HTTP_FAILURES = {
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take that method."),
    413: ("request_too_large", "The body is larger than server.max_body allows."),
}

REQUEST_ID = web.RequestKey("request_id", str)
ARRIVED = web.RequestKey("arrived", float)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told of an error."""

    status: int
    code: str
    kind: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Teller = Callable[[Failure], dict[str, Any]]
"""Returns the body that tells of a failure."""


def failures(tellers: Mapping[str, Teller], default: Teller) -> Middleware:
    """Return the outermost middleware: every failure becomes a body in the dialect of the path that met it."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = str(uuid4())
        request[ARRIVED] = time.monotonic()
        try:
            return await handler(request)
        except Exception as error:  # the outermost edge: nothing else stands above it
            if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
                raise
            failure = failure_of(error, request[REQUEST_ID])
            body = tellers.get(request.path.rstrip("/"), default)(failure)
            return web.Response(
                status=failure.status, body=dump(body), content_type="application/json", headers=failure.headers
            )

    return told


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id, and the time until now, on the response, whatever kind of response it is."""
    if REQUEST_ID in request:
        response.headers["x-request-id"] = request[REQUEST_ID]
        response.headers["openai-processing-ms"] = str(round(1000 * (time.monotonic() - request[ARRIVED])))


def failure_of(error: Exception, request_id: str) -> Failure:
    """Return what the client is told of `error`; an unexpected one is logged, and only its id is told."""
    if isinstance(error, BridgeError):
        return Failure(error.status, error.code, error.kind, error.message, error.param, _headers_of(error))
    if isinstance(error, web.HTTPException):
        return _http_failure(error)
    log_unexpected(error, request_id)
    message = f"The bridge failed unexpectedly; its log tells more under {request_id}."
    return Failure(500, BridgeError.code, BridgeError.kind, message, headers=NO_RETRY)


def dump(body: object) -> bytes:
    """Return `body` as JSON, whatever the text in it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _http_failure(error: web.HTTPException) -> Failure:
    code, message = HTTP_FAILURES.get(error.status, ("http_error", error.text or error.reason))
    headers = dict(NO_RETRY)
    if hdrs.ALLOW in error.headers:
        headers["allow"] = error.headers[hdrs.ALLOW]
    return Failure(error.status, code, RequestError.kind, message, headers=headers)


def _headers_of(error: BridgeError) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(min(max(error.retry_after, 1), LONGEST_RETRY)))
    if not _may_help(error):
        headers.update(NO_RETRY)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return headers


def _may_help(error: BridgeError) -> bool:
    """Return whether the same request, sent again soon, could fare better and do no harm."""
    if error.sent or isinstance(error, HOPELESS):
        return False
    if error.retry_after is None:
        return not isinstance(error, NoAccount)
    return error.retry_after <= LONGEST_RETRY


def log_unexpected(error: Exception, where: str) -> None:
    """Log where `error` came from, without its message: that could hold text of a chat."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Unexpected {} ({})\n{}", type(error).__qualname__, where, frames)
