"""Accepts signed calls of other nodes, reads no unsigned body, and answers errors as JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bridge.background import off_loop
from bridge.cluster import wire
from bridge.cluster.signing import Signing
from bridge.errors import BridgeError, RequestError
from bridge.tasks import log_unexpected

BEGUN = web.RequestKey("begun", bool)
"""Whether the response to a call has begun."""
Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


def guarded(signing: Signing, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler for signed calls only; an error becomes JSON, or cuts off a response that has begun."""

    async def handle(http: web.Request) -> web.StreamResponse:
        try:
            signing.check(http.headers, http.method, http.rel_url.raw_path_qs)
            body = await http.read()  # after the check, so that no unsigned body is read
            await off_loop(len(body), signing.check_body, http.headers, body)
            return await handler(http, body)
        except web.HTTPException:
            raise
        except Exception as error:  # the outermost edge
            failure = _failure(error)
            if BEGUN in http:  # a second response would end up in the body of the first
                raise ConnectionAbortedError("The response was cut off.") from error
            return web.json_response({"error": wire.error_as_json(failure)}, status=failure.status)

    return handle


async def note_begun(http: web.Request, _: web.StreamResponse) -> None:
    """Record that the response to a call has begun; aiohttp calls it."""
    http[BEGUN] = True


def _failure(error: Exception) -> BridgeError:
    """Return the error to send to another node; log it unless it is expected."""
    if isinstance(error, BridgeError):
        return error
    if not isinstance(error, ConnectionError):
        log_unexpected(error, "while answering another node")
    return BridgeError(f"The other node failed ({type(error).__name__}).", sent=True)


def read_call(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a call; raise a `RequestError` if it is not one."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError("The call is not JSON.") from error
    if not isinstance(said, dict):
        raise RequestError("The call is not a JSON object.")
    return said
