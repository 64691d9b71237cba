"""Sends OpenAI's rate limit headers, where the settings limit the number of chats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bridge.api.chat_endpoint import CHAT
from bridge.chat.types import ChatBackend

HEADER = "x-ratelimit-{}-requests"


def limits(backend: ChatBackend) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return what puts the headers on the answer to a chat, an error as well."""

    async def tell(request: web.Request, response: web.StreamResponse) -> None:
        if CHAT in request and (left := backend.rate_limit(request[CHAT])) is not None:
            response.headers[HEADER.format("limit")] = str(left.limit)
            response.headers[HEADER.format("remaining")] = str(left.remaining)
            response.headers[HEADER.format("reset")] = duration(left.reset)

    return tell


def duration(seconds: float) -> str:
    """Return a time as OpenAI writes it: `6m0s`, `1h0m5s`, `120ms`."""
    if seconds < 1:
        return f"{max(round(seconds * 1000), 0)}ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
