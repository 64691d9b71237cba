"""Signs in to the dashboard: exchanges an admin key or a one-time token for a session cookie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import hdrs, web
from pydantic import AfterValidator, Field, StrictStr

from bridge.api.access.client_address import peer_of
from bridge.api.access.guard import KEY, SESSION, cookie_of
from bridge.api.access.sessions import Session
from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Admission, Operation
from bridge.durations import HOUR
from bridge.errors import AuthenticationError, PermissionDenied, RequestError
from bridge.storage.key_files import address_of

PATH = "/admin/api/session"
SPENT = "sign-in link", "was used before or has expired; `bridge dashboard` prints a new one"


def _is_own(path: str) -> str:
    if not path.startswith("/dashboard") or not path.isprintable() or {"#", "\\", " "} & set(path):
        raise ValueError("a link leads to /dashboard or below it")
    return path


class SignInForm(Form):
    """Exactly one of an admin key and a one-time token."""

    key: Annotated[StrictStr, Field(max_length=1000)] | None = None
    token: Annotated[StrictStr, Field(max_length=1000)] | None = None


class LinkForm(Form):
    """The page that the link opens."""

    path: Annotated[StrictStr, Field(max_length=500), AfterValidator(_is_own)] = "/dashboard"


class SignIn:
    """Handlers of sessions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation(
                "POST",
                PATH,
                "Sign in with an admin key or a one-time token",
                self.sign_in,
                SignInForm,
                admission=Admission.NOTHING,
            ),
            Operation("GET", PATH, "Return the current session", self.show),
            Operation("DELETE", PATH, "Sign out", self.sign_out),
            Operation("POST", "/admin/api/links", "Create a link that signs in once", self.link, LinkForm),
        )

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Open a session."""
        given = await self._parts.body(request, SignInForm)
        if (given.key is None) == (given.token is None):
            raise RequestError("Send either `key` or `token`.", param="key")
        cookie, session = self._parts.access.sessions.open(self._key(given, request))
        response = as_json(_described(session))
        response.set_cookie(
            cookie_of(request),
            cookie,
            max_age=int(self._parts.settings.dashboard.session_hours * HOUR),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=is_https(request),
        )
        return response

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Return the session."""
        if SESSION not in request:
            raise AuthenticationError("This request has a key, not a session.")
        return as_json(_described(request[SESSION]))

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        if SESSION in request:
            self._parts.access.sessions.close(request[SESSION])
        response = as_json({})
        response.del_cookie(cookie_of(request), path="/")
        return response

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Create a link that signs in with the request's key."""
        given = await self._parts.body(request, LinkForm)
        key = request[SESSION].key if SESSION in request else request[KEY].id
        token, expires = self._parts.access.sessions.invite(key)
        scheme = "https" if is_https(request) else "http"
        url = f"{scheme}://{request.headers[hdrs.HOST]}{given.path}#sign-in={token}"
        return as_json({"url": url, "expires": expires.isoformat(timespec="seconds")})

    def _key(self, given: SignInForm, request: web.Request) -> str:
        """Return the id of the admin key that was sent or that the token belongs to; raise if there is none."""
        access = self._parts.access
        if given.token is not None:
            return access.redeem(given.token) or self._parts.guard.refuse(given.token, peer_of(request), *SPENT)
        key = access.key_of(given.key or "")
        if key is None:
            self._parts.guard.refuse(given.key or "", peer_of(request))
        access.check_expiry(key)  # the session of an expired key would end at once
        if key.scope != "admin":
            raise PermissionDenied("This is not an admin key; signing in needs one.", param="key")
        return key.id


def is_https(request: web.Request) -> bool:
    """Tell whether the client used https; only a proxy on this machine is trusted to tell."""
    return request.secure or is_said_https(request.headers.get("X-Forwarded-Proto", ""), request.remote)


def is_said_https(said: str, peer: str | None) -> bool:
    """Tell whether a trusted proxy reports that its client used https."""
    address = address_of(peer or "")
    return said.lower() == "https" and address is not None and address.is_loopback


def _described(session: Session) -> dict[str, Any]:
    return {"csrf": session.csrf, "expires": session.expires.isoformat(timespec="seconds"), "key": session.key}
