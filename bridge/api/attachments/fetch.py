"""Fetches a file from an address that a client gave, from public hosts only, with limits.

The check is made when a connection is opened, on the address that it goes to, so neither a name that resolves into this
network, nor DNS rebinding, nor a redirect gets past it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import aiohttp

from bridge.errors import FileTooLarge, RequestError
from bridge.origins import Address, is_public

MOST_REDIRECTS = 5


async def fetch(url: str, most: int, param: str, may_reach: Callable[[Address], bool] = is_public) -> tuple[bytes, str]:
    """Return the bytes and the media type of a file; the caller sets the time limit.

    Raises a `RequestError` if there is no file, it has more than `most` bytes, or `may_reach` refuses its host.
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
    """Return the body; raise `FileTooLarge` above `most` bytes."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            raise FileTooLarge(f"{param}: the file has more than {most} bytes (files.max_bytes).", param=param)
    return bytes(data)
