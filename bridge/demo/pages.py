"""Serves the page: one document for every address, its scripts, and styles with new class names at each start."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path

from aiohttp import web

from bridge.demo.backend import BACKEND, Backend
from bridge.demo.bundle import bundled
from bridge.demo.checks import SESSION_COOKIE
from bridge.demo.patches import encode_json
from bridge.demo.replies import WAF_COOKIE
from bridge.demo.site_settings import MARKUPS

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_CLASS = re.compile(r"\.((?:app|ds|md|code)-[a-z][\w-]*)")


def class_name(name: str, build: str, markup: str) -> str:
    """Return an element's class in this build; `markup.js` applies the same rule."""
    if markup == "classic" and not name.startswith("app-"):
        return name
    digest = 0x811C9DC5
    for char in build + name:
        digest = ((digest ^ ord(char)) * 0x01000193) & 0xFFFFFFFF
    return f"_{digest:08x}"[:8]


@cache
def _files() -> dict[str, str]:
    """Return the page's files by name, with the scripts bundled."""
    files = {f.name: f.read_text("utf-8") for f in _STATIC.iterdir() if f.suffix in {*_TYPES, ".html"}}
    return {**files, "app.js": bundled("app.js", files)}


def _renamed(style: str, build: str, markup: str) -> str:
    return _CLASS.sub(lambda match: "." + class_name(match[1], build, markup), style)


class Assets:
    """The files of the page as served."""

    def __init__(self, backend: Backend) -> None:
        self.take_up(backend)

    def take_up(self, backend: Backend) -> None:
        """Rebuild the files from the site's current settings."""
        style = _files()["style.css"]
        # both, as an open page may rename its classes
        styles = {f"{markup}.css": _renamed(style, backend.build, markup) for markup in MARKUPS}
        self._files = {**_files(), **styles}
        self.document = self._document(backend)

    def response(self, name: str) -> web.Response:
        """Serve one file."""
        kind = _TYPES.get(Path(name).suffix)
        if kind is None or name not in self._files:
            raise web.HTTPNotFound
        headers = {"cache-control": "max-age=31536000, immutable"}
        return web.Response(text=self._files[name], content_type=kind, charset="utf-8", headers=headers)

    def _document(self, backend: Backend) -> str:
        settings = backend.settings
        boot = {
            "build": backend.build,
            "lang": settings.lang,
            "markup": settings.markup,
            "page": settings.page,
            "version": settings.client_version,
            "settle": settings.settle,
            "toggleSettle": settings.toggle_settle,
            "toggles": {"clicks": settings.toggle_clicks, "kept": settings.toggle_kept},
            "formDelay": settings.form_delay,
            "signIn": settings.sign_in,
            "signInSays": settings.sign_in_says,
            "signInAsks": settings.sign_in_asks,
            "oauth": settings.oauth,
            "deviceKey": settings.device_key,
            "visitor": [[a.email, a.password] for a in backend.accounts.values()][:1],
        }
        lang = "zh-CN" if settings.lang == "zh" else "en"
        page = self._files["index.html"].replace("%LANG%", lang).replace("%BUILD%", backend.build)
        page = page.replace("%MARKUP%", settings.markup)
        return page.replace("%BOOT%", escape(encode_json(boot)))


ASSETS = web.AppKey("assets", Assets)


async def page(request: web.Request) -> web.Response:
    """Serve the page, unless a fault strikes."""
    if WAF_COOKIE not in request.cookies:
        _strike(request)
    return web.Response(
        text=request.app[ASSETS].document,
        content_type="text/html",
        charset="utf-8",
        headers={"cache-control": "no-store"},
    )


def _strike(request: web.Request) -> None:
    backend = request.app[BACKEND]
    account = backend.account_with_cookie(request.cookies.get(SESSION_COOKIE, ""))
    for board in (backend.board, *([account.board] if account else [])):
        switch = board.take("load")
        if switch is not None and switch.fault.reply is not None:
            raise switch.fault.reply(switch.params)


async def static(request: web.Request) -> web.Response:
    """Serve one file of the page."""
    return request.app[ASSETS].response(request.match_info["name"])


def routes() -> list[web.RouteDef]:
    """Return the routes of the page."""
    return [
        web.get("/", page),
        web.get("/sign_in", page),
        web.get("/a/chat/s/{id}", page),
        web.get("/static/{build}/{name}", static),
    ]


def add_assets(app: web.Application) -> None:
    """Read the files of the page."""
    app[ASSETS] = Assets(app[BACKEND])
