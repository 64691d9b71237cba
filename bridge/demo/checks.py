"""Checks that only the real page passes."""

from __future__ import annotations

import base64
import hmac

from aiohttp import web

from bridge.demo.accounts import Account
from bridge.demo.backend import BACKEND
from bridge.demo.envelope import Refusal, refusal

SESSION_COOKIE = "ds_session_id"
_RECORDED = ("/completion", "/edit_message", "/regenerate", "/continue")  # turns record their refusals themselves
_PAGE_HEADERS = (
    "x-client-platform",
    "x-client-version",
    "x-client-locale",
    "x-client-timezone-offset",
    "x-client-bundle-id",
)
_COMPLETION_HEADERS = ("x-ds-pow-response", "x-hif-leim", "referer")


def signed_in(request: web.Request) -> Account:
    """Return the account of the request's bearer token, or refuse the request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise refusal(40002, "Missing Token")
    account = request.app[BACKEND].account_with_token(token)
    if account is None:
        raise refusal(40003, "Authorization Failed (invalid token)")
    if not request.path.endswith(_RECORDED):
        strike(account, request.path)
    return account


def strike(account: Account, path: str) -> None:
    """Raise the refusal of a fault that is switched on for a call."""
    switch = account.board.take("reply", path)
    if switch is not None and switch.fault.reply is not None:
        raise switch.fault.reply(switch.params)


def check_client(request: web.Request) -> None:
    """Refuse a request that the page would not make."""
    if not request.app[BACKEND].settings.checks:
        return
    if "user-agent" not in request.headers:
        raise Refusal("http-429", {"detail": "Too Many Requests"}, 429)
    _demand(request, _PAGE_HEADERS)
    lowest = request.app[BACKEND].settings.min_version
    if _version(request.headers["x-client-version"]) < _version(lowest):
        raise refusal(40005, "CLIENT_VERSION_TOO_LOW")


def check_completion(request: web.Request, account: Account, target_path: str) -> None:
    """Refuse an expensive request that lacks what only the running page can make."""
    backend = request.app[BACKEND]
    if not backend.settings.checks:
        return
    _demand(request, _COMPLETION_HEADERS)
    if not request.headers["referer"].startswith(f"{request.scheme}://{request.host}/"):
        raise refusal(40300, "MISSING_HEADER")
    if not backend.hif.valid(request.headers["x-hif-leim"]):
        raise refusal(40300, "MISSING_HEADER")
    check_cookie(request, account)
    check_proof(request, account, target_path)


def check_device(request: web.Request, account: Account) -> None:
    """Refuse a request from another browser than the one that signed in, if the site checks devices."""
    token = request.headers["authorization"].partition(" ")[2]
    if not request.app[BACKEND].settings.device_key:
        return
    right = hmac.digest(account.device_keys.get(token, b""), token.encode(), "sha256")
    if request.headers.get("x-device-signature") != base64.b64encode(right).decode():
        raise refusal(40003, "Authorization Failed (unknown device)")


def check_cookie(request: web.Request, account: Account) -> None:
    """Refuse a request without the session cookie if the account requires it."""
    if account.require_cookie and request.cookies.get(SESSION_COOKIE) not in account.cookies:
        raise refusal(40003, "Authorization Failed (invalid token)")


def check_proof(request: web.Request, account: Account, target_path: str) -> None:
    """Refuse a request without a fresh proof of work for this path."""
    _demand(request, ("x-ds-pow-response",))
    proof = request.headers["x-ds-pow-response"]
    if not request.app[BACKEND].challenges.accept(account.name, target_path, proof):
        raise refusal(40301, "INVALID_POW_RESPONSE")


def _demand(request: web.Request, names: tuple[str, ...]) -> None:
    if any(not request.headers.get(name) for name in names):
        raise refusal(40300, "MISSING_HEADER")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in text.split("."))
