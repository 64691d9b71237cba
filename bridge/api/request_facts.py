"""Emits a fact for each HTTP request after its response, with its route and never its address."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bridge.api.access.guard import route_of
from bridge.api.route_table import Operation, path_names
from bridge.telemetry import RequestAnswered, Sink

CLIENT_LEFT = 499
"""The status, as in nginx, of a request whose client left before the response."""
OTHER = "OTHER"


def report_requests(table: Iterable[Operation], emit: Sink) -> Middleware:
    """Return the middleware, which must be the outermost; `table` has the routes."""
    routes = path_names(table)

    @web.middleware
    async def reported(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun, status = time.monotonic(), CLIENT_LEFT
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            method, route = _served(request, routes)
            emit(RequestAnswered(method, route, status, time.monotonic() - begun))

    return reported


def _served(request: web.Request, routes: Mapping[str, str]) -> tuple[str, str]:
    """Return method and route; placeholders for unknown ones, which are untrusted text."""
    if request.match_info.http_exception is not None:
        return OTHER, ""
    return request.method, routes.get(route_of(request), "")
