"""Common parts of small one-page sites: the page, the site file that describes it, and the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.listening import listening

HEAD = """
name = "small"
title = "Small"
start_url = "https://small.test"
min_interval = 0.0

[[models]]
id = "small"
"""
"""The beginning of a small site's site file."""
TEXT_UNTIL_END = """
[[answer.rules]]
emit = "text"
value = "text"

[[answer.rules]]
when = { end = true }
emit = "finish"
"""
"""The rules of an answer whose frames have `text` and whose last frame has `end`."""


@asynccontextmanager
async def served(page: str, handlers: Mapping[str, Handler]) -> AsyncGenerator[str]:
    """Serve a page and the routes that its script calls, by method and path, on a free port; yield the address."""

    async def shown(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", shown)
    for call, handler in handlers.items():
        method, path = call.split(" ")
        app.router.add_route(method, path, handler)
    async with listening(app) as url:
        yield url
