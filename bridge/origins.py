"""Origins and hosts: by which a page of the site is told from any other; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
OPAQUE = "null"
"""The origin of what has none: `about:blank`, `data:`, a browser's error page."""


def origin_of(url: str) -> str:
    """Return scheme, host and port of an http(s) address, as a browser's `location.origin` writes them."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return OPAQUE
    if scheme not in PORTS or not host:
        return OPAQUE
    host = f"[{host}]" if ":" in host else _ascii(host)
    return f"{scheme}://{host}" if port in (None, PORTS[scheme]) else f"{scheme}://{host}:{port}"


def is_named(host: str, patterns: Sequence[str]) -> bool:
    """Tell whether a host is one of the `patterns`: names, or `*.name` for all below it."""
    host = host.lower().rstrip(".")
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in patterns)


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host
