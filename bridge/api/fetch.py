"""Fetches a file from an address that a client named, from public hosts only, with limits.

The guard stands where a connection is made, and sees the very address that it goes to: so neither a name that
resolves to this network, nor one that resolves to another address a moment later, nor a redirect gets past it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import aiohttp

from bridge.errors import FileTooLarge, RequestError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_REDIRECTS = 5
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")
"""All that the internet routes; not every version of Python knows the rest for what it is."""
PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, also where it wraps another one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in PROTOCOLS
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None and not is_public(address.sixtofour):
        return False
    return address in UNICAST and address.is_global


async def fetch(url: str, most: int, param: str, may_reach: Callable[[Address], bool] = is_public) -> tuple[bytes, str]:
    """Return the bytes and the media type of what is there; the caller sets the time limit.

    Raises a `RequestError` where there is nothing, or more than `most` bytes, or a host that `may_reach` refuses.
    """

    def connect(found: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = found
        if not may_reach(ipaddress.ip_address(target[0])):
            raise PermissionError("not a public address")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(socket_factory=connect, force_close=True, use_dns_cache=False)
    headers = {"accept-encoding": "identity", "user-agent": "Mozilla/5.0 (compatible; chat-page-bridge)"}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers, timeout=aiohttp.ClientTimeout()) as session,
            session.get(url, max_redirects=MOST_REDIRECTS) as response,
        ):
            if response.status != 200:
                raise RequestError(f"{param}: its host answered with HTTP {response.status}.", param=param)
            return await _read(response, most, param), response.content_type
    except (aiohttp.ClientError, OSError, ValueError):
        message = f"{param} could not be fetched: its host does not answer, or is not on the public internet."
        raise RequestError(message, param=param) from None


async def _read(response: aiohttp.ClientResponse, most: int, param: str) -> bytes:
    """Return the body, as long as it is not too large."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            raise FileTooLarge(f"{param}: the file has more than {most} bytes (files.max_bytes).", param=param)
    return bytes(data)
