"""Serves the dashboard's files, and sets the security headers of its responses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.api.route_table import Admission, Operation
from bridge.dashboard import STATIC

PAGES = {"/dashboard": "index.html", "/dashboard/live": "live.html"}
FILES = "/dashboard/static/{file:.+}"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Page:
    """Serves the files that exist at the start, and no other path."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    async def find(self, _: web.Application) -> None:
        """Find the files."""
        self._files = await asyncio.to_thread(_files, self._folder)

    def operations(self) -> Sequence[Operation]:
        """Return the routes, which need neither key nor session, because the files hold no data."""
        served: list[tuple[str, Handler]] = [(path, self.page) for path in PAGES]
        slashed: list[tuple[str, Handler]] = [(f"{path}/", self.without_slash) for path in PAGES]
        nothing = Admission.NOTHING
        return (
            *(
                Operation("GET", path, "", handle, admission=nothing, is_page=True, is_exact=True)
                for path, handle in (*served, *slashed)
            ),
            Operation("GET", FILES, "", self.file, admission=nothing, is_exact=True),
        )

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Return one of the pages."""
        return self._found(PAGES[request.path])

    async def without_slash(self, request: web.Request) -> web.StreamResponse:
        """Redirect to the page's address without the slash, to which its links are relative, also behind a prefix."""
        query = f"?{request.rel_url.raw_query_string}" if request.query_string else ""
        place = f"../{request.path.rstrip('/').rpartition('/')[2]}{query}"
        return web.Response(status=HTTPStatus.FOUND, headers={hdrs.LOCATION: place})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Return a file."""
        return self._found(request.match_info["file"])

    def _found(self, name: str) -> web.StreamResponse:
        if name not in self._files:
            raise web.HTTPNotFound
        return web.FileResponse(self._files[name], headers={"cache-control": "no-cache"})


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to every response below the dashboard's paths, including errors."""
    if request.path.startswith(("/dashboard", "/admin")):
        response.headers.update(HEADERS)
    if request.path.startswith("/admin"):
        response.headers["cache-control"] = "no-store"
