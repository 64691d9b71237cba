"""Where a request comes from: its network, the port that it came to, and whether from this machine."""

from __future__ import annotations

import ipaddress

from aiohttp import web

from bridge.origins import is_loopback
from bridge.storage.key_files import address_of

PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers that proxies add."""


def peer_of(request: web.BaseRequest) -> str:
    """Return the address that limits for clients without a key count by; of IPv6 the network of one host."""
    address = address_of((request.remote or "").partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def port_of(request: web.BaseRequest) -> int:
    """Return the port of ours that a request came to; 0 where it came over none."""
    name = request.get_extra_info("sockname")
    return int(name[1]) if isinstance(name, tuple) else 0


def is_local(request: web.BaseRequest) -> bool:
    """Tell whether a request came to a loopback address of ours, which nobody else can reach."""
    name = request.get_extra_info("sockname")
    return isinstance(name, tuple) and is_loopback(str(name[0]))


def is_from_here(request: web.BaseRequest) -> bool:
    """Tell whether a request was made on this machine, as far as that shows: a proxy here says for whom it asks."""
    return is_local(request) and not any(name in request.headers for name in PROXY_HEADERS)
