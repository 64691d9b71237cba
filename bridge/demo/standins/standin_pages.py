"""Serves the page of a stand-in: one document for every address, and the site's script."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path

from aiohttp import web

from bridge.demo.patches import encode_json
from bridge.demo.standins.standin_visitors import Visitors
from bridge.demo.standins.standin_wire import Wire

_STATIC = Path(__file__).parent.parent / "static" / "standins"
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/standins/kit.css">
<link rel="modulepreload" href="/static/standins/kit.js">
<script id="boot" type="application/json">{boot}</script>
<script type="module" src="/static/standins/{name}.js"></script>
</head>
<body></body>
</html>
"""


def add_page(app: web.Application, wire: Wire, visitors: Visitors, other: Callable[[], str]) -> None:
    """Serve the page at every address without another handler."""

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = wire.page if wire.page and name == f"{wire.name}.js" else _STATIC / name
        if path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(text=path.read_text("utf-8"), content_type=_TYPES[path.suffix], charset="utf-8")

    async def page(request: web.Request) -> web.Response:
        if "text/html" not in request.headers.get("accept", ""):
            raise web.HTTPNotFound
        boot = {
            "secret": visitors.new_secret(),
            "login": {"who": wire.login.who, "storage": wire.login.storage, "in": wire.login.sent_in},
            "path": wire.path,
            "other": other() if wire.elsewhere else "",
            "store": other() if wire.stores else "",
        }
        encoded = encode_json(boot).replace("<", "\\u003c")
        text = _DOCUMENT.format(name=wire.name, title=escape(wire.title), boot=encoded)
        return web.Response(text=text, content_type="text/html", headers={"cache-control": "no-store"})

    app.router.add_get("/static/standins/{name}", static)
    app.router.add_get("/{path:.*}", page)
