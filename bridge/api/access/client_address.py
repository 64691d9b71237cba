"""The origin of a request: its network, the port that it came to, and whether it came from this machine."""

from __future__ import annotations

import ipaddress

from aiohttp import web

from bridge.origins import is_loopback
from bridge.storage.key_files import address_of

PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers that reverse proxies add."""


def peer_of(request: web.BaseRequest) -> str:
    """Return the address by which limits for clients without a key count; for IPv6 the /64 network of the host."""
    address = address_of((request.remote or "").partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def port_of(request: web.BaseRequest) -> int:
    """Return the local port that a request came to; 0 for another kind of socket."""
    name = request.get_extra_info("sockname")
    return int(name[1]) if isinstance(name, tuple) else 0


def is_local(request: web.BaseRequest) -> bool:
    """Tell whether a request came to a loopback address, which only this machine can reach."""
    name = request.get_extra_info("sockname")
    return isinstance(name, tuple) and is_loopback(str(name[0]))


def is_from_here(request: web.BaseRequest) -> bool:
    """Tell whether a request was made on this machine and not forwarded by a proxy on it."""
    return is_local(request) and not any(name in request.headers for name in PROXY_HEADERS)
