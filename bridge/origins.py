"""Compares origins, hosts and addresses: the site's own against others, public ones against local ones."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+/?", re.ASCII | re.IGNORECASE)
PORTS = {"http": 80, "https": 443}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")
"""All globally routed addresses; older versions of Python do not classify the others correctly."""
PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
OPAQUE = "null"
"""The origin of addresses without one: `about:blank`, `data:`, a browser's error page."""


def origin_of(url: str) -> str:
    """Return the origin of an http(s) address in the format of a browser's `location.origin`."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return OPAQUE
    if scheme not in PORTS or not host:
        return OPAQUE
    host = f"[{host}]" if ":" in host else _ascii(host)
    return f"{scheme}://{host}" if port in (None, PORTS[scheme]) else f"{scheme}://{host}:{port}"


def url_of(scheme: str, host: str, port: int) -> str:
    """Return the URL of a port; an IPv6 `host` is given without brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def site_address(given: str) -> str:
    """Return the address of a site as stored in profiles; raise a `ValueError` that does not show an invalid one."""
    if not given.isprintable() or " " in given or "\\" in given or origin_of(given) == OPAQUE:
        raise ValueError("a site's address is written as https://chat.example.com")
    if urlsplit(given).username is not None:
        raise ValueError("a site's address holds neither a user nor a password")
    if "?" in given or "#" in given:
        raise ValueError("a site's address holds neither a query nor a fragment: leave out everything from ? or #")
    return given.rstrip("/")


def is_named(host: str, patterns: Sequence[str]) -> bool:
    """Tell whether a host matches one of the `patterns`: names, or `*.name` for subdomains."""
    host = host.lower().rstrip(".")
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in patterns)


def is_at(url: str, hosts: Sequence[str]) -> bool:
    """Tell whether an address is at one of the `hosts`: patterns of `is_named`, or `name:port`."""
    parts = urlsplit(origin_of(url))
    return is_named(parts.hostname or "", hosts) or is_named(parts.netloc, hosts)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its usual name or an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def own_state(state: dict[str, Any], origin: str, hosts: Sequence[str]) -> dict[str, Any]:
    """Return a storage state reduced to a site: its origin, and the cookies of that and of its further hosts."""
    home = urlsplit(origin).hostname or ""

    def is_own(cookie: dict[str, Any]) -> bool:
        domain = cookie["domain"].lstrip(".")
        return home == domain or home.endswith(f".{domain}") or is_named(domain, hosts)

    origins = [one for one in state["origins"] if one["origin"] == origin]
    return {**state, "cookies": list(filter(is_own, state["cookies"])), "origins": origins}


def is_public(address: Address) -> bool:
    """Tell whether an address is public, including an embedded IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in PROTOCOLS
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None and not is_public(address.sixtofour):
        return False
    return address in UNICAST and address.is_global


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def web_origin(given: str) -> str:
    """Return a web origin; raise a `ValueError` for `null`, which any page can have, or a pattern."""
    if not ORIGIN.fullmatch(given) or "*" in given:
        raise ValueError("an origin is written as https://chat.example.com; null and patterns are refused")
    return given
