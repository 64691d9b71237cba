"""Adds a dialect's headers to its responses, such as those about rate limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bridge.api.access.rate_limiter import RateLimiter
from bridge.api.api_dialect import Dialects
from bridge.api.chat_endpoint import CHAT, PLACE
from bridge.api.http_errors import REQUEST_ID
from bridge.chat.rate_limits import RateLimits, tighter
from bridge.chat.types import ChatBackend, ChatRequest


def dialect_headers(
    backend: ChatBackend, dialects: Dialects, limiter: RateLimiter
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a function that adds the headers to a response or an error."""

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        if REQUEST_ID not in request:
            return
        limits, chat = RateLimits(), request.get(CHAT)
        if chat is not None:
            limits = left_for(chat)
            if (place := backend.place_in_queue(chat)) is not None:
                response.headers[PLACE] = str(place)
        response.headers.update(dialects.of(request).headers(request[REQUEST_ID], limits))

    def left_for(chat: ChatRequest) -> RateLimits:
        """Return the tighter of the limits of the key and of the accounts."""
        left = limiter.left(chat.caller)
        return RateLimits(tighter(left.requests, backend.rate_limit(chat)), left.tokens)

    return add_headers
