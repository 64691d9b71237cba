"""Who may call: guards a local service against web pages, and asks for a key or a session.

A page in the operator's browser reaches loopback, too. The order of the checks: the `Host` (against DNS rebinding),
the `Origin`, `Sec-Fetch-Site`, the key or the session with its CSRF token, whether there is such a path and method, and
the content type (against requests without a preflight).
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
"""Methods that change nothing."""
UNSAID = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
"""The content types of a body whose sender has named none: aiohttp's word for that, and what curl says by itself."""
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""How a body may be encoded."""
TOKEN = re.compile(r"[\w+/=.~-]{32,512}", re.ASCII)
"""What may be a userToken."""
TOKENS = web.RequestKey("tokens", tuple[str, ...])
"""The userTokens that a request brought in place of a key."""
LET_IN = web.RequestKey("let_in", bool)
"""Set on a request that showed a right key, or where none is asked for."""
KEY = web.RequestKey("key", Key)
"""The key that a request showed."""
SESSION = web.RequestKey("session", Session)
"""The session of a request that showed no key."""
KEY_HEADERS = ("x-api-key", "x-goog-api-key")
"""Headers that hold a key, beside `Authorization`."""
KEY_IN_ADDRESS = "/v1beta/"
"""How the paths begin on which a key may stand in the address, as `key`: some clients of Gemini's know no other."""
COOKIE = "bridge_session"
CSRF = "X-CSRF-Token"
ADMIN = "/admin/"
"""What the paths begin with that chat keys do not open."""
ALLOWED = {"chat": "This key may only chat", "metrics": "This key may only read metrics"}
"""What a key's scope allows, for errors."""
WRONG_KEYS = (20, 6.0)
"""How many wrong keys an address may send at once, and the seconds until one more."""
LINES = (5, 60.0)
"""How many log lines of a kind refusals may write at once, and the seconds until one more."""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """The paths that are not as all others, as the router names them, without a last slash."""

    unlocked: frozenset[str] = frozenset()
    """Those that need no key; those with a method before them only for that method."""
    for_tokens: frozenset[str] = frozenset()
    """Those on which userTokens do in place of a key; which ones came is noted as `TOKENS`."""
    forms: frozenset[str] = frozenset()
    """Those that take a form in place of JSON."""
    untyped: frozenset[str] = frozenset()
    """Those that take JSON without its content type: their clients often name none."""
    figures: frozenset[str] = frozenset()
    """Those for keys with the scope `metrics`, which open nothing else; chat keys do not open them."""
    local: frozenset[str] = frozenset()
    """Those that need no key from this machine."""
    pages: frozenset[str] = frozenset()
    """Those that links of other sites may lead to; they do nothing by themselves."""


class Guard:
    """The checks. Until `use` is called every path asks for a key."""

    def __init__(self, access: Credentials, server: ServerSettings) -> None:
        self._access = access
        self._server = server
        self._rules = RouteRules()
        self._wrong_keys = Throttle(*WRONG_KEYS)
        self._lines = Throttle(*LINES)

    def use(self, rules: RouteRules) -> None:
        """Follow the rules of the route table, which is complete only after the handlers got their guard."""
        self._rules = rules

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or raise."""
        self.check_host(request)
        self._check_page(request)
        self._check_key(request)
        if request.match_info.http_exception is None:
            self._check_type(request)
        return await handler(request)

    def check_host(self, request: web.Request) -> None:
        """Raise `PermissionDenied` unless the `Host` is a name of this server."""
        # Not `request.host`: it makes up a name where the header is missing.
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
                "Requests from web pages of another origin are refused; api.allowed_origins lists those that may call."
            )
        is_foreign = request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin")
        if is_foreign and not self._is_visit(request):
            raise PermissionDenied("Requests that another web site started are refused.")

    def _is_visit(self, request: web.Request) -> bool:
        """Tell whether a person has followed a link of another site to one of our pages, into a window of its own."""
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
        """Return the key that was shown; one that has expired counts as none where none is needed."""
        key = self._access.key_of(given)
        if key is None or not self._access.has_expired(key):
            return key
        if not is_open:
            raise AuthenticationError(f"This API key has expired on {key.limits.expires:%Y-%m-%d %H:%M} UTC.")
        return None

    def _is_free_port(self, request: web.Request) -> bool:
        """Tell whether a request came to the second port, from this machine, and none of those needs a key."""
        server = self._server
        return server.ollama_no_auth and is_local(request) and port_of(request) == server.ollama_port

    def _is_signed_in(self, request: web.Request, *, is_open: bool) -> bool:
        """Tell whether a session lets the request in; no page of another origin can send its CSRF token."""
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
        """Refuse a key; a right one never comes here, so that nobody locks out another one of the same address."""
        if not given:
            raise AuthenticationError(
                f"Send an API key, as `Authorization: Bearer KEY` or in {' or '.join(KEY_HEADERS)},"
                " or sign in to the dashboard."
            )
        if wait := self._wrong_keys.take(peer):
            raise TooManyAttempts(f"Too many unknown {what}s came from this address.", retry_after=wait)
        if not self._lines.take("keys"):
            logger.warning("An unknown {} came from {}", what, peer)
        raise AuthenticationError(f"This {what} {why}.")

    def is_still_in(self, request: web.Request) -> bool:
        """Return whether the sender of a long request, such as a stream or a WebSocket, could still begin it."""
        session, key = request.get(SESSION), request.get(KEY)
        if session is not None:
            return self._access.is_open(session)
        return self._access.is_known(key) if key is not None else request.get(LET_IN, False)

    async def until_out(self, request: web.Request) -> None:
        """Return once the sender of a long request could not begin it any more."""
        while self.is_still_in(request):
            await asyncio.sleep(self._access.look_every)

    def _log_refusal(self, what: str, names: Iterable[str], setting: str) -> None:
        """Tell the operator which setting may lack a name; the names are a stranger's text."""
        if not self._lines.take(setting):
            shown = ", ".join(ascii(name[:100]) for name in list(names)[:3])
            logger.warning("Refused {} {}, which {} does not list", what, shown or "without a name", setting)


def user_tokens(given: str) -> tuple[str, ...]:
    """Return the userTokens that `given` holds, joined by commas; nothing where any part of it cannot be one."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return tuple(parts) if all(TOKEN.fullmatch(part) and not part.startswith(PREFIX) for part in parts) else ()


def cookie_of(request: web.BaseRequest) -> str:
    """Return the name of the session's cookie; browsers tell cookies apart by host alone, not by port."""
    port = request.headers.get(hdrs.HOST, "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isascii() and port.isdecimal() else COOKIE


def owner_of(request: web.Request) -> str | None:
    """Return the owner of what a request stores: a key's id, or nothing where all may call; None for userTokens."""
    if TOKENS in request:
        return None
    key, session = request.get(KEY), request.get(SESSION)
    return key.id if key is not None else session.key if session is not None else ""


def _names(server: ServerSettings) -> frozenset[str]:
    return frozenset({"localhost", server.host.lower()}) | {name.lower() for name in server.allowed_hosts}


def _name(host: str) -> str | None:
    """Return the name without its port, or None where `host` is no such thing."""
    match = HOST.fullmatch(host)
    return match and (match["v6"] or match["name"]).rstrip(".")


def _is_ours(name: str, server: ServerSettings) -> bool:
    """Return whether `name` is an address that needs no list: DNS cannot rebind a literal one."""
    address = address_of(name)
    listening = address_of(server.host)
    if address is None:
        return False
    return address.is_loopback or address == listening or (listening is not None and listening.is_unspecified)


def _is_bare(request: web.Request) -> bool:
    """Tell whether this is an action without a body, by a key, which no page sends unasked."""
    return KEY in request and not request.body_exists


def _is_unsaid(request: web.Request) -> bool:
    """Tell whether a program, and no page, has not named the content type; no page sends a key unasked."""
    may_be_page = KEY not in request and any(name in request.headers for name in (hdrs.ORIGIN, "Sec-Fetch-Site"))
    return request.content_type in UNSAID and not may_be_page


def _check_scope(key: Key, path: str, *, is_figures: bool, is_open: bool) -> None:
    """Raise `PermissionDenied` where a key does not open a path; an open one is open to every key."""
    if key.scope == "admin":
        return
    if path.startswith(ADMIN):
        raise PermissionDenied(f"{ALLOWED[key.scope]}; the admin API needs an admin key.")
    if not is_open and is_figures != (key.scope == "metrics"):
        wanted = "metrics" if is_figures else "chat"
        raise PermissionDenied(f"{ALLOWED[key.scope]}; send one with the scope {wanted}, or an admin key.")


def _given_key(request: web.Request) -> str:
    """Return the key in any of the places where the clients of some dialect put it."""
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    bearer = key if scheme.lower() == "bearer" else ""
    others = (request.headers.get(name, "") for name in KEY_HEADERS)
    in_address = request.query.get("key", "") if request.path.startswith(KEY_IN_ADDRESS) else ""
    return next((given.strip() for given in (bearer, *others, in_address) if given.strip()), "")


def route_of(request: web.Request) -> str:
    """Return the path of the route that a request met, as the router names it, without a last slash."""
    resource = request.match_info.route.resource
    return (resource.canonical.rstrip("/") or "/") if resource else ""
