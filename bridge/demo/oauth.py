"""Sign-in through an identity provider, whose window asks for the account and returns a token."""

from __future__ import annotations

from html import escape

from aiohttp import web

from bridge.demo.backend import BACKEND
from bridge.demo.checks import SESSION_COOKIE
from bridge.demo.envelope import biz_refusal, success

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in with Goggles</title>
<link rel="stylesheet" href="/static/{build}/oauth.css"></head>
<body><main hidden><h1>Goggles</h1><p>Demo chat wants to know who you are.</p>{buttons}</main>
<script type="module" src="/static/{build}/oauth.js"></script></body></html>"""


async def authorize(request: web.Request) -> web.Response:
    """Serve the page that asks for the account."""
    backend = request.app[BACKEND]
    buttons = "".join(f"<button>{escape(account.email)}</button>" for account in backend.accounts.values())
    page = _PAGE.format(build=backend.build, buttons=buttons)
    return web.Response(text=page, content_type="text/html", charset="utf-8", headers={"cache-control": "no-store"})


async def allow(request: web.Request) -> web.Response:
    """Return the token of a new session, and set its cookie."""
    account = request.app[BACKEND].account_with_email((await request.json()).get("email"))
    if account is None:
        raise biz_refusal(2, "UNKNOWN_ACCOUNT")
    token, cookie = account.sign_in()
    response = success({"token": token})
    response.set_cookie(SESSION_COOKIE, cookie, httponly=True, samesite="Lax", path="/")
    return response


def routes() -> list[web.RouteDef]:
    """Return the routes of the identity provider."""
    return [web.get("/oauth/authorize", authorize), web.post("/oauth/allow", allow)]
