"""Responses that a browser saves as files."""

from __future__ import annotations

import re

from aiohttp import web

UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def download(body: bytes, name: str) -> web.Response:
    """Return a zip file that a browser saves under that name."""
    return web.Response(body=body, content_type="application/zip", headers=attachment(name))


def attachment(name: str) -> dict[str, str]:
    """Return the header that makes a browser save the response under that name."""
    return {"content-disposition": f'attachment; filename="{UNSAFE.sub("-", name)}"'}
