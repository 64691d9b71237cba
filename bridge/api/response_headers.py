"""Sends the headers that a dialect has on its responses, such as what its rate limit leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bridge.api.api_dialect import Dialects
from bridge.api.chat_endpoint import CHAT
from bridge.api.http_errors import REQUEST_ID
from bridge.chat.types import ChatBackend


def dialect_headers(
    backend: ChatBackend, dialects: Dialects
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return what puts the headers on a response, an error as well."""

    async def tell(request: web.Request, response: web.StreamResponse) -> None:
        if REQUEST_ID in request:
            limit = backend.rate_limit(request[CHAT]) if CHAT in request else None
            response.headers.update(dialects.of(request).headers(request[REQUEST_ID], limit))

    return tell
