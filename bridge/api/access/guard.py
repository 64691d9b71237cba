"""Access control: protects a local service against web pages, and requires a key or a session.

A page in the operator's browser can reach loopback, too. The order of the checks: the `Host` (against DNS rebinding),
the `Origin`, `Sec-Fetch-Site`, the key or the session with its CSRF token, whether the path and method exist, and the
content type (against requests without a preflight).
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from loguru import logger

from bridge.api.access.client_address import is_from_here, is_local, peer_of, port_of
from bridge.api.access.credentials import Credentials
from bridge.api.access.sessions import Session
from bridge.errors import AuthenticationError, PermissionDenied, TooManyAttempts
from bridge.settings import ServerSettings
from bridge.storage.api_keys import Key
from bridge.storage.key_files import PREFIX, address_of
from bridge.throttle import Throttle

HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods."""
UNSAID = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
"""Content types of a body whose sender has set none: aiohttp's default, and curl's."""
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""Accepted content encodings."""
TOKEN = re.compile(r"[\w+/=.~-]{32,512}", re.ASCII)
"""The form of a userToken."""
TOKENS = web.RequestKey("tokens", tuple[str, ...])
"""The userTokens that a request has instead of a key."""
LET_IN = web.RequestKey("let_in", bool)
"""Set on a request with a valid key or session, or that needs none."""
KEY = web.RequestKey("key", Key)
"""The key of a request."""
SESSION = web.RequestKey("session", Session)
"""The session of a request without a key."""
KEY_HEADERS = ("x-api-key", "x-goog-api-key")
"""Headers that may hold a key, besides `Authorization`."""
KEY_IN_ADDRESS = "/v1beta/"
"""Prefix of the paths that accept a key as the query parameter `key`: some Gemini clients send it only there."""
COOKIE = "bridge_session"
CSRF = "X-CSRF-Token"
ADMIN = "/admin/"
"""Prefix of the paths that need an admin key."""
ALLOWED = {"chat": "This key may only chat", "metrics": "This key may only read metrics"}
"""What a key's scope allows, for error messages."""
WRONG_KEYS = (20, 6.0)
"""Wrong keys that an address may send in a burst, and seconds per further one."""
LINES = (5, 60.0)
"""Log lines of one kind that refusals may write in a burst, and seconds per further one."""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """The paths with exceptions, in the router's form, without a trailing slash."""

    unlocked: frozenset[str] = frozenset()
    """Paths that need no key; one with a method before it only for that method."""
    for_tokens: frozenset[str] = frozenset()
    """Paths that accept userTokens instead of a key; the request has them as `TOKENS`."""
    forms: frozenset[str] = frozenset()
    """Paths that take a form instead of JSON."""
    untyped: frozenset[str] = frozenset()
    """Paths that take JSON without its content type, because their clients often set none."""
    figures: frozenset[str] = frozenset()
    """Paths for keys with the scope `metrics`, which open nothing else; chat keys do not open them."""
    local: frozenset[str] = frozenset()
    """Paths that need no key from this machine."""
    pages: frozenset[str] = frozenset()
    """Pages that links on other sites may open; opening one has no side effect."""


class Guard:
    """The middleware with all checks. Until `use` is called every path requires a key."""

    def __init__(self, access: Credentials, server: ServerSettings) -> None:
        self._access = access
        self._server = server
        self._rules = RouteRules()
        self._wrong_keys = Throttle(*WRONG_KEYS)
        self._lines = Throttle(*LINES)

    def use(self, rules: RouteRules) -> None:
        """Set the rules of the route table, which is complete only after the handlers got their guard."""
        self._rules = rules

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass a request to its handler, or raise."""
        self.check_host(request)
        self._check_page(request)
        self._check_key(request)
        if request.match_info.http_exception is None:
            self._check_type(request)
        return await handler(request)

    def check_host(self, request: web.Request) -> None:
        """Raise `PermissionDenied` unless the `Host` is a name of this server."""
        # Not `request.host`, which invents a name if the header is missing.
        given = [host.lower() for host in request.headers.getall(hdrs.HOST, ())]
        name = _name(given[0]) if len(given) == 1 else None
        names = _names(self._server)
        if name is None or not (given[0] in names or name in names or _is_ours(name, self._server)):
            self._log_refusal("a request for the host", given, "server.allowed_hosts")
            raise PermissionDenied(
                "The Host header does not name this server; server.allowed_hosts lists further names."
            )

    def _check_type(self, request: web.Request) -> None:
        route, rules = route_of(request), self._rules
        wanted = "multipart/form-data" if route in rules.forms else "application/json"
        is_free = _is_bare(request) or (route in rules.untyped and _is_unsaid(request))
        if request.method in WITH_BODY and request.content_type != wanted and not is_free:
            raise web.HTTPUnsupportedMediaType(text=f"Send the body as {wanted}.")
        if request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower() not in ENCODINGS:
            raise web.HTTPUnsupportedMediaType(text="Send the body without Content-Encoding, or with gzip or deflate.")

    def _check_page(self, request: web.Request) -> None:
        host = request.headers[hdrs.HOST].lower()
        origins = {origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, ())}
        if not origins <= {f"http://{host}", f"https://{host}"}:
            self._log_refusal("a request from a web page of", origins, "api.allowed_origins")
            raise PermissionDenied(
                "Requests from web pages of another origin are refused; api.allowed_origins lists allowed origins."
            )
        is_foreign = request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin")
        if is_foreign and not self._is_visit(request):
            raise PermissionDenied("Requests that another web site started are refused.")

    def _is_visit(self, request: web.Request) -> bool:
        """Tell whether a request is the top-level navigation from another site's link to one of our pages."""
        wanted = ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")
        is_visit = all(request.headers.get(name, "").lower() == value for name, value in wanted)
        return is_visit and request.method in READING and route_of(request) in self._rules.pages

    def _check_key(self, request: web.Request) -> None:
        given, path = _given_key(request), route_of(request)
        unlocked = self._rules.unlocked
        is_free = (self._access.is_free or self._is_free_port(request)) and not path.startswith(ADMIN)
        is_open = is_free or path in unlocked or f"{request.method} {path}" in unlocked
        is_open = is_open or (path in self._rules.local and is_from_here(request))
        if (key := self._valid_key(given, is_open=is_open)) is not None:
            _check_scope(key, path, is_figures=path in self._rules.figures, is_open=is_open)
            request[KEY], request[LET_IN] = key, True
        elif path in self._rules.for_tokens and (tokens := user_tokens(given)):
            request[TOKENS] = tokens
        elif (not given and self._is_signed_in(request, is_open=is_open)) or is_free:
            request[LET_IN] = True
        elif not is_open:
            self.refuse(given, peer_of(request))

    def _valid_key(self, given: str, *, is_open: bool) -> Key | None:
        """Return the key, or None if it is unknown; an expired one is an error unless the path needs no key."""
        key = self._access.key_of(given)
        if key is None or not self._access.has_expired(key):
            return key
        if not is_open:
            self._access.check_expiry(key)
        return None

    def _is_free_port(self, request: web.Request) -> bool:
        """Tell whether a request came from this machine to the Ollama port, and that needs no key."""
        server = self._server
        return server.ollama_no_auth and is_local(request) and port_of(request) == server.ollama_port

    def _is_signed_in(self, request: web.Request, *, is_open: bool) -> bool:
        """Tell whether a session admits the request; no page of another origin can send its CSRF token."""
        session = self._access.session_of(request.cookies.get(cookie_of(request), ""))
        if session is None:
            return False
        given = request.headers.get(CSRF, "").encode("utf-8", "surrogateescape")
        if request.method not in READING and not hmac.compare_digest(given, session.csrf.encode()):
            if is_open:
                return False
            raise PermissionDenied(f"Send the session's CSRF token in the header {CSRF}.")
        if hdrs.UPGRADE in request.headers and hdrs.ORIGIN not in request.headers:
            raise PermissionDenied("A WebSocket of a session must name its Origin.")
        request[SESSION] = session
        return True

    def refuse(self, given: str, peer: str, what: str = "API key", why: str = "is not known here") -> NoReturn:
        """Refuse a key. Valid keys never get here, so a client cannot lock out others at the same address."""
        if not given:
            raise AuthenticationError(
                f"Send an API key, as `Authorization: Bearer KEY` or in {' or '.join(KEY_HEADERS)},"
                " or sign in to the dashboard."
            )
        if wait := self._wrong_keys.take(peer):
            raise TooManyAttempts(f"This address sent too many unknown {what}s.", retry_after=wait)
        if not self._lines.take("keys"):
            logger.warning("An unknown {} came from {}", what, peer)
        raise AuthenticationError(f"This {what} {why}.")

    def is_still_in(self, request: web.Request) -> bool:
        """Tell whether the sender of a long request, such as a stream or a WebSocket, is still admitted."""
        session, key = request.get(SESSION), request.get(KEY)
        if session is not None:
            return self._access.is_open(session)
        return self._access.is_known(key) if key is not None else request.get(LET_IN, False)

    async def until_out(self, request: web.Request) -> None:
        """Wait until the sender of a long request is not admitted any more."""
        while self.is_still_in(request):
            await asyncio.sleep(self._access.look_every)

    def _log_refusal(self, what: str, names: Iterable[str], setting: str) -> None:
        """Log which setting may lack a name; the names are untrusted text."""
        if not self._lines.take(setting):
            shown = ", ".join(ascii(name[:100]) for name in list(names)[:3])
            logger.warning("Refused {} {}, which {} does not list", what, shown or "without a name", setting)


def user_tokens(given: str) -> tuple[str, ...]:
    """Return the userTokens in `given`, which commas separate; an empty tuple if any part cannot be one."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return tuple(parts) if all(TOKEN.fullmatch(part) and not part.startswith(PREFIX) for part in parts) else ()


def cookie_of(request: web.BaseRequest) -> str:
    """Return the name of the session's cookie, with the port, because browsers separate cookies only by host."""
    port = request.headers.get(hdrs.HOST, "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isascii() and port.isdecimal() else COOKIE


def owner_of(request: web.Request) -> str | None:
    """Return the owner of what a request stores: a key's id, or empty without keys; None for userTokens."""
    if TOKENS in request:
        return None
    key, session = request.get(KEY), request.get(SESSION)
    return key.id if key is not None else session.key if session is not None else ""


def _names(server: ServerSettings) -> frozenset[str]:
    return frozenset({"localhost", server.host.lower()}) | {name.lower() for name in server.allowed_hosts}


def _name(host: str) -> str | None:
    """Return the name in a `Host` header without its port, or None if the header is malformed."""
    match = HOST.fullmatch(host)
    return match and (match["v6"] or match["name"]).rstrip(".")


def _is_ours(name: str, server: ServerSettings) -> bool:
    """Tell whether `name` is an IP address of this server, which needs no list: DNS cannot rebind it."""
    address = address_of(name)
    listening = address_of(server.host)
    if address is None:
        return False
    return address.is_loopback or address == listening or (listening is not None and listening.is_unspecified)


def _is_bare(request: web.Request) -> bool:
    """Tell whether a request has a key and no body; a foreign page cannot send a key."""
    return KEY in request and not request.body_exists


def _is_unsaid(request: web.Request) -> bool:
    """Tell whether a client without a content type is a program and not a page; a foreign page cannot send a key."""
    may_be_page = KEY not in request and any(name in request.headers for name in (hdrs.ORIGIN, "Sec-Fetch-Site"))
    return request.content_type in UNSAID and not may_be_page


def _check_scope(key: Key, path: str, *, is_figures: bool, is_open: bool) -> None:
    """Raise `PermissionDenied` if the key's scope does not cover the path; a path without a key accepts every key."""
    if key.scope == "admin":
        return
    if path.startswith(ADMIN):
        raise PermissionDenied(f"{ALLOWED[key.scope]}; the admin API needs an admin key.")
    if not is_open and is_figures != (key.scope == "metrics"):
        wanted = "metrics" if is_figures else "chat"
        raise PermissionDenied(f"{ALLOWED[key.scope]}; send one with the scope {wanted}, or an admin key.")


def _given_key(request: web.Request) -> str:
    """Return the key from any of the places where clients of the dialects put it."""
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    bearer = key if scheme.lower() == "bearer" else ""
    others = (request.headers.get(name, "") for name in KEY_HEADERS)
    in_address = request.query.get("key", "") if request.path.startswith(KEY_IN_ADDRESS) else ""
    return next((given.strip() for given in (bearer, *others, in_address) if given.strip()), "")


def route_of(request: web.Request) -> str:
    """Return the path of the request's route, in the router's form, without a trailing slash."""
    resource = request.match_info.route.resource
    return (resource.canonical.rstrip("/") or "/") if resource else ""
