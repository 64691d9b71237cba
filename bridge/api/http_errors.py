"""Turns errors into responses in the dialect of the request."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from loguru import logger

from bridge.chat.made_ids import new_id
from bridge.errors import BridgeError, RequestError
from bridge.pool.error_policy import may_retry, retry_after
from bridge.tasks import log_unexpected

NO_RETRY = {"x-should-retry": "false"}
HTTP_FAILURES = {
    408: ("request_timeout", "The request did not arrive in time; see server.header_timeout and server.body_timeout."),
    413: ("request_too_large", "The body is larger than server.max_body allows."),
}

BASE_URLS = "For Anthropic's clients the base URL has no /v1; for OpenAI's it ends in /v1."

REQUEST_ID = web.RequestKey("request_id", str)
ARRIVED = web.RequestKey("arrived", float)
BEGUN = web.RequestKey("begun", bool)
"""Whether the response to a request has begun."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a client sees it."""

    status: int
    code: str
    kind: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    """Id of the failed request; empty if the request could not be parsed."""


Teller = Callable[[Failure], dict[str, Any]]
"""Returns the error body of a failure in one dialect."""


def error_body(failure: Failure) -> dict[str, Any]:
    """Return the error object of OpenAI's dialect, the default of all dialects."""
    error = {"message": failure.message, "type": failure.kind, "param": failure.param, "code": failure.code}
    return {"error": error}


def failures(teller_of: Callable[[web.Request], Teller], served: str, mark: str = "") -> Middleware:
    """Return the outermost middleware, which turns every error into a response in the dialect of the request.

    `served` lists the served paths for unknown ones; `mark` is the prefix of request ids.
    """

    @web.middleware
    async def answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = str(new_id(mark))
        request[ARRIVED] = time.monotonic()
        try:
            return await handler(request)
        except Exception as error:  # the outermost edge
            if BEGUN in request:
                raise _cut(error, request[REQUEST_ID]) from error
            if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
                raise
            path_failure = missed(request.method, request.rel_url.raw_path, error, served)
            failure = path_failure or failure_of(error, request[REQUEST_ID])
            return response_of(replace(failure, request_id=request[REQUEST_ID]), teller_of(request))

    return answer_failures


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id and the time so far to every kind of response."""
    request[BEGUN] = True
    if REQUEST_ID in request:
        response.headers["x-request-id"] = request[REQUEST_ID]
        response.headers["openai-processing-ms"] = str(round(1000 * (time.monotonic() - request[ARRIVED])))


def _cut(error: Exception, request_id: str) -> ConnectionError:
    """Return the error that ends the connection, because a second response would become part of the first's body."""
    if isinstance(error, BridgeError):
        logger.warning("A response was cut off ({}): {}", request_id, error.message)
    elif not isinstance(error, ConnectionError):
        log_unexpected(error, request_id)
    return ConnectionAbortedError("The response was cut off.")


def response_of(failure: Failure, teller: Teller) -> web.Response:
    """Return the response for a failure."""
    body = dump(teller(failure))
    return web.Response(status=failure.status, body=body, content_type="application/json", headers=failure.headers)


def failure_of(error: Exception, request_id: str) -> Failure:
    """Return the client's view of `error`; log an unexpected one, of which the client sees only the request's id."""
    if isinstance(error, BridgeError):
        return Failure(error.status, error.code, error.kind, error.message, error.param, _headers_of(error))
    if isinstance(error, web.HTTPException):
        return _http_failure(error)
    if isinstance(error, web.RequestPayloadError):
        return refusal(400, "broken_body", "The body does not match the encoding or length in its headers.")
    log_unexpected(error, request_id)
    message = f"The bridge failed unexpectedly; see {request_id} in its log."
    return Failure(500, BridgeError.code, BridgeError.kind, message, headers=NO_RETRY)


def dump(body: object) -> bytes:
    """Return `body` as JSON; replaces lone surrogates."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def refusal(status: int, code: str, message: str, **headers: str) -> Failure:
    """Return the failure of a request that is refused on the level of HTTP."""
    return Failure(status, code, RequestError.kind, message, headers={**NO_RETRY, **headers})


def missed(method: str, path: str, error: Exception, served: str) -> Failure | None:
    """Return the failure of a request with an unknown path or method; None for any other error."""
    path = ascii(path[:200])[1:-1]  # untrusted text
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return refusal(405, "method_not_allowed", f"{path} allows {allowed}, but not {method}.", allow=allowed)
    if isinstance(error, web.HTTPNotFound):
        return refusal(404, "not_found", f"There is no {method} {path}. Available are {served}. {BASE_URLS}")
    return None


def _http_failure(error: web.HTTPException) -> Failure:
    code, message = HTTP_FAILURES.get(error.status, ("http_error", error.text or error.reason))
    return refusal(error.status, code, message)


def _headers_of(error: BridgeError) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if (wait := retry_after(error)) is not None:
        headers["retry-after"] = str(math.ceil(wait))
    if not may_retry(error):
        headers.update(NO_RETRY)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return headers
