"""Who may call: guards a local service against web pages, and asks for a key.

A page in the operator's browser reaches loopback, too. The order of the checks: the `Host` (against DNS rebinding),
the `Origin`, `Sec-Fetch-Site`, the key, whether there is such a path and method, and the content type (against
requests without a preflight).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from loguru import logger

from bridge.errors import AuthenticationError, PermissionDenied, TooManyAttempts
from bridge.security import PREFIX, Keys, address_of
from bridge.settings import ServerSettings
from bridge.throttle import Throttle

HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""How a body may be encoded."""
TOKEN = re.compile(r"[\w+/=.~-]{32,512}", re.ASCII)
"""What may be a userToken."""
TOKENS = web.RequestKey("tokens", tuple[str, ...])
"""The userTokens that a request brought in place of a key."""
LET_IN = web.RequestKey("let_in", bool)
"""Set on a request that showed a right key, or where none is asked for."""
WRONG_KEYS = (20, 6.0)
"""How many wrong keys an address may send at once, and the seconds until one more."""
LINES = (5, 60.0)
"""How many log lines of a kind refusals may write at once, and the seconds until one more."""


class Guard:
    """The checks; the paths `unlocked` need no key.

    On the paths `for_tokens` userTokens do instead of one; which ones came is noted as `TOKENS`. The paths of
    `forms` take a form in place of JSON.
    """

    def __init__(
        self,
        keys: Keys | None,
        server: ServerSettings,
        unlocked: Collection[str],
        for_tokens: Collection[str] = (),
        forms: Collection[str] = (),
    ) -> None:
        self._keys = keys
        self._server = server
        self._unlocked = unlocked
        self._for_tokens = for_tokens
        self._forms = forms
        self._wrong_keys = Throttle(*WRONG_KEYS)
        self._lines = Throttle(*LINES)

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or raise."""
        self.check_host(request)
        self._check_page(request)
        self._check_key(request)
        if request.match_info.http_exception is None:
            _check_type(request, "multipart/form-data" if _route(request) in self._forms else "application/json")
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

    def _check_page(self, request: web.Request) -> None:
        host = request.headers[hdrs.HOST].lower()
        origins = {origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, ())}
        if not origins <= {f"http://{host}", f"https://{host}"}:
            self._log_refusal("a request from a web page of", origins, "api.allowed_origins")
            raise PermissionDenied(
                "Requests from web pages of another origin are refused; api.allowed_origins lists those that may call."
            )
        if request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin"):
            raise PermissionDenied("Requests that another web site started are refused.")

    def _check_key(self, request: web.Request) -> None:
        given, path = _given_key(request), _route(request)
        is_key = self._keys is not None and self._keys.accept(given)
        if path in self._for_tokens and not is_key and (tokens := user_tokens(given)):
            request[TOKENS] = tokens
        elif is_key or self._keys is None:
            request[LET_IN] = True
        elif path not in self._unlocked:
            self._refuse(given, peer_of(request))

    def _refuse(self, given: str, peer: str) -> None:
        """Refuse a key; a right one never comes here, so that nobody locks out another one of the same address."""
        if not given:
            raise AuthenticationError("Send an API key, as `Authorization: Bearer KEY` or `x-api-key: KEY`.")
        if wait := self._wrong_keys.take(peer):
            raise TooManyAttempts("Too many unknown API keys came from this address.", retry_after=wait)
        if not self._lines.take("keys"):
            logger.warning("An unknown API key came from {}", peer)
        raise AuthenticationError("This API key is not known here.")

    def _log_refusal(self, what: str, names: Iterable[str], setting: str) -> None:
        """Tell the operator which setting may lack a name; the names are a stranger's text."""
        if not self._lines.take(setting):
            shown = ", ".join(ascii(name[:100]) for name in list(names)[:3])
            logger.warning("Refused {} {}, which {} does not list", what, shown or "without a name", setting)


def user_tokens(given: str) -> tuple[str, ...]:
    """Return the userTokens that `given` holds, joined by commas; nothing where any part of it cannot be one."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return tuple(parts) if all(TOKEN.fullmatch(part) and not part.startswith(PREFIX) for part in parts) else ()


def peer_of(request: web.BaseRequest) -> str:
    """Return whom limits for strangers count as one: an address, or the network that an IPv6 host has to itself."""
    address = address_of((request.remote or "").partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


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


def _check_type(request: web.Request, wanted: str) -> None:
    if request.method in WITH_BODY and request.content_type != wanted:
        raise web.HTTPUnsupportedMediaType(text=f"Send the body as {wanted}.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower() not in ENCODINGS:
        raise web.HTTPUnsupportedMediaType(text="Send the body without Content-Encoding, or with gzip or deflate.")


def _given_key(request: web.Request) -> str:
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return (key.strip() if scheme.lower() == "bearer" else "") or request.headers.get("x-api-key", "").strip()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return (resource.canonical.rstrip("/") or "/") if resource else ""
