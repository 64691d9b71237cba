"""Who may call: guards a local service against web pages, and asks for a key.

A page in the operator's browser reaches loopback, too. The order of the checks: the `Host` (against DNS
rebinding), the `Origin`, `Sec-Fetch-Site`, the content type (against requests without a preflight), the key.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import shlex
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from bridge.atomic import create_file
from bridge.errors import AuthenticationError, PermissionDenied, SetupError
from bridge.settings import ServerSettings, Settings

HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?")
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
PREFIX = "sk-"
"""What keys begin with, ours and those that people make up for other endpoints; no userToken does."""
TOKEN = re.compile(r"[\w+/=.~-]{32,512}", re.ASCII)
"""What may be a userToken."""
TOKENS = web.RequestKey("tokens", tuple[str, ...])
"""The userTokens that a request brought in place of a key."""
LONG_ENOUGH = 32
"""Characters that a key must have where others than this machine can reach the bridge."""


class Keys:
    """The keys that are let in, held as digests."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def accept(self, key: str) -> bool:
        """Return whether `key` is one of them, in a time that tells nothing about it."""
        given = _digest(key)
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        return any(matches)


class KeyFile:
    """The file `api_keys` in the config folder: one key a line, `#` starts a comment, mode 0600."""

    def __init__(self, config: Path) -> None:
        self.path = config / "api_keys"

    def keys(self) -> tuple[str, ...]:
        """Return the keys; at the first start the file is made with one new key."""
        try:
            if not self.path.exists():
                self._make()
            return self._read()
        except OSError as error:
            raise SetupError(f"Cannot use the key file {self.path}: {error.strerror}.") from error

    def add(self) -> str:
        """Add a new key to the file and return it."""
        self.keys()
        key = new_key()
        with self._open(os.O_RDWR | os.O_APPEND) as file:
            gap = b"" if file.read().endswith(b"\n") else b"\n"
            file.write(gap + f"{key}\n".encode())
        return key

    def _read(self) -> tuple[str, ...]:
        with self._open(os.O_RDONLY) as file:
            lines = file.read().decode("utf-8", "replace").splitlines()
        keys = tuple(key for line in lines if (key := line.partition("#")[0].strip()))
        if not keys:
            raise SetupError(f"There is no API key in {self.path}; remove the file to get a new one.")
        return keys

    def _open(self, flags: int) -> BinaryIO:
        """Open the file, unless it is a link or others may use it."""
        file = os.fdopen(os.open(self.path, flags | os.O_NOFOLLOW), "rb" if flags == os.O_RDONLY else "r+b")
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            file.close()
            raise SetupError(f"Others can use the API keys; run: chmod 600 {shlex.quote(str(self.path))}")
        return file

    def _make(self) -> None:
        """Make the file with one key, but never in place of another."""
        with suppress(FileExistsError):
            create_file(self.path, f"{new_key()}\n".encode())


def new_key() -> str:
    """Return a fresh key."""
    return f"{PREFIX}bridge-{secrets.token_urlsafe(32)}"


def load_keys(settings: Settings) -> Keys | None:
    """Return the keys that callers must show, or None where none is asked for.

    Raises `SetupError` where the bridge would stand open to others than this machine.
    """
    local = _is_loopback(settings.server.host)
    if settings.server.no_auth:
        if not local:
            raise SetupError(f"no_auth needs a loopback address, not {settings.server.host}.")
        return None
    keys = KeyFile(settings.config).keys()
    if not local and min(map(len, keys)) < LONG_ENOUGH:
        raise SetupError(f"Beyond this machine every API key needs {LONG_ENOUGH} characters or more.")
    return Keys(keys)


def guard(
    keys: Keys | None,
    server: ServerSettings,
    unlocked: Collection[str],
    for_tokens: Collection[str] = (),
    forms: Collection[str] = (),
) -> Middleware:
    """Return the middleware that lets a request through or raises; the paths `unlocked` need no key.

    On the paths `for_tokens` userTokens do instead of one; which ones came is noted as `TOKENS`. The paths of
    `forms` take a form in place of JSON.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_host(request, server)
        _check_page(request)
        given, path = _given_key(request), _route(request)
        if path in for_tokens and not (keys is not None and keys.accept(given)) and (tokens := user_tokens(given)):
            request[TOKENS] = tokens
        elif keys is not None and path not in unlocked:
            _check_key(given, keys)
        _check_type(request, "multipart/form-data" if path in forms else "application/json")
        return await handler(request)

    return guarded


def _check_host(request: web.Request, server: ServerSettings) -> None:
    # Not `request.host`: it makes up a name where the header is missing.
    given = [host.lower() for host in request.headers.getall(hdrs.HOST, ())]
    name = _name(given[0]) if len(given) == 1 else None
    if name is None or not (given[0] in _names(server) or name in _names(server) or _is_ours(name, server)):
        raise PermissionDenied("The Host header does not name this server; allowed_hosts lists further names.")


def _names(server: ServerSettings) -> frozenset[str]:
    return frozenset({"localhost", server.host.lower()}) | {name.lower() for name in server.allowed_hosts}


def _name(host: str) -> str | None:
    """Return the name without its port, or None where `host` is no such thing."""
    match = HOST.fullmatch(host)
    return match and (match["v6"] or match["name"]).rstrip(".")


def _is_ours(name: str, server: ServerSettings) -> bool:
    """Return whether `name` is an address that needs no list: DNS cannot rebind a literal one."""
    address = _address(name)
    listening = _address(server.host)
    if address is None:
        return False
    return address.is_loopback or address == listening or (listening is not None and listening.is_unspecified)


def _check_page(request: web.Request) -> None:
    host = request.headers[hdrs.HOST].lower()
    origins = {origin.lower() for origin in request.headers.getall(hdrs.ORIGIN, ())}
    if not origins <= {f"http://{host}", f"https://{host}"}:
        raise PermissionDenied("Requests from web pages of another origin are refused.")
    if request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin"):
        raise PermissionDenied("Requests that another web site started are refused.")


def _check_type(request: web.Request, wanted: str) -> None:
    if request.method in WITH_BODY and request.content_type != wanted:
        raise web.HTTPUnsupportedMediaType(text=f"Send the body as {wanted}.")


def user_tokens(given: str) -> tuple[str, ...]:
    """Return the userTokens that `given` holds, joined by commas; nothing where any part of it cannot be one."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return tuple(parts) if all(TOKEN.fullmatch(part) and not part.startswith(PREFIX) for part in parts) else ()


def _check_key(given: str, keys: Keys) -> None:
    if not given:
        raise AuthenticationError("Send an API key, as `Authorization: Bearer KEY` or `x-api-key: KEY`.")
    if not keys.accept(given):
        raise AuthenticationError("This API key is not known here.")


def _given_key(request: web.Request) -> str:
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return (key.strip() if scheme.lower() == "bearer" else "") or request.headers.get("x-api-key", "").strip()


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return (resource.canonical.rstrip("/") or "/") if resource else ""


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
