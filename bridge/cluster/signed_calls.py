"""Takes the signed calls of other nodes, and reads nothing of others; what goes wrong is told as JSON."""

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
    """Have a handler called for signed calls alone; its errors are JSON, or cut off a response that has begun."""

    async def handle(http: web.Request) -> web.StreamResponse:
        try:
            signing.check(http.headers, http.method, http.rel_url.raw_path_qs)
            body = await http.read()  # only now: that of a stranger is not read
            await off_loop(len(body), signing.check_body, http.headers, body)
            return await handler(http, body)
        except web.HTTPException:
            raise
        except Exception as error:  # the outermost edge
            failure = _failure(error)
            if BEGUN in http:  # its response: another response would stand in its body
                raise ConnectionAbortedError("The response was cut off.") from error
            return web.json_response({"error": wire.error_as_json(failure)}, status=failure.status)

    return handle


async def note_begun(http: web.Request, _: web.StreamResponse) -> None:
    """Note that the response to a call has begun; the application calls it."""
    http[BEGUN] = True


def _failure(error: Exception) -> BridgeError:
    """Return what another node is told of an error; log it, unless that node has only left."""
    if isinstance(error, BridgeError):
        return error
    if not isinstance(error, ConnectionError):
        log_unexpected(error, "while another node was answered")
    return BridgeError(f"The other node failed ({type(error).__name__}).", sent=True)


def read_call(data: bytes) -> dict[str, Any]:
    """Return what a call says; raise a `RequestError` where it is no JSON object."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError("The call is no JSON.") from error
    if not isinstance(said, dict):
        raise RequestError("The call is no JSON object.")
    return said
