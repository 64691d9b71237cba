"""A proxy for a page's connections to hosts other than the site, which checks the real address of each.

The browser connects to the site directly, so that answers are not delayed. All other connections of the page, its
workers and its windows go through the proxy, which never connects to this machine or its network.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from loguru import logger

from bridge.origins import PORTS, Address, is_named, is_public
from bridge.settings import BrowserSettings
from bridge.tasks import Tasks

CONNECT_LIMIT = 20.0
"""Seconds that connecting to another host may take."""
ADDRESS_LIMIT = 3.0
"""Seconds until the next of a host's addresses is tried."""
MOST = 128
"""Most connections of one page at a time."""
PIECE = 2**16
REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


@asynccontextmanager
async def bounded(
    origin: str, named: Sequence[str], settings: BrowserSettings, is_attached: bool
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the context options that restrict a page of `origin` to the hosts that `browser.hosts` allows.

    A remote browser may be on another machine, where it cannot reach the proxy, so it is not restricted.
    """
    if settings.hosts == "any" or has_proxy(settings) or is_attached:
        yield {}
        return
    egress = Egress(None if settings.hosts == "public" else named)
    server = await asyncio.start_server(egress.accept, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield {"proxy": {"server": f"http://127.0.0.1:{port}", "bypass": ",".join((_address(origin), *_exact(named)))}}
    finally:
        server.close()
        await egress.close()


def has_proxy(settings: BrowserSettings) -> bool:
    """Tell whether Chromium has a proxy of the operator, which then decides what pages can reach."""
    by_switch = any(switch.startswith(("--proxy-", "--no-proxy-server")) for switch in settings.args)
    return by_switch or any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXY_VARIABLES)


class Egress:
    """A proxy to `named` hosts, or to all if None, whose addresses `may_reach` allows."""

    def __init__(self, named: Sequence[str] | None, may_reach: Callable[[Address], bool] = is_public) -> None:
        self._named = named
        self._may_reach = may_reach
        self._tasks = Tasks()
        self._open = 0

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the browser."""
        self._tasks.start(self._serve(reader, writer))

    async def close(self) -> None:
        """Cut all connections."""
        await self._tasks.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                there = await self._connect(await reader.readuntil(b"\r\n\r\n"))
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            logger.debug("Blocked a page's connection to a host that it may not reach ({})", type(error).__name__)
            writer.write(REFUSED)
        else:
            writer.write(CONNECTED)
            await _relay((reader, writer), there)
        finally:
            self._open -= 1
            writer.close()

    async def _connect(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        host, port = urlsplit(f"//{target}").hostname or "", urlsplit(f"//{target}").port
        if method != "CONNECT" or port is None or self._open > MOST:
            raise PermissionError("not an encrypted connection, or too many")
        if self._named is not None and not is_named(host, self._named):
            raise PermissionError("not a host that the site needs")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [address for one in found if self._may_reach(ipaddress.ip_address(address := str(one[4][0])))]
        if not addresses:
            raise PermissionError("not a public address")
        return await first_that_answers(addresses, port)


async def first_that_answers(addresses: Sequence[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of a host's addresses that answers; an earlier one may be in a dead network."""
    for address in addresses[:-1]:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ADDRESS_LIMIT):
                return await asyncio.open_connection(address, port)
    return await asyncio.open_connection(addresses[-1], port)


async def _relay(*ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Relay data both ways until one end closes."""
    (here, to_here), (there, to_there) = ends
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_carry(here, to_there))
            tasks.create_task(_carry(there, to_here))
    finally:
        to_there.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _exact(named: Sequence[str]) -> list[str]:
    """Return the hosts that are named with a port, which the browser reaches directly."""
    return [host for host in named if re.fullmatch(r"[\w.-]+:\d{1,5}", host)]


def _address(origin: str) -> str:
    """Return the host and port of an origin in the format of a proxy's bypass list."""
    parts = urlsplit(origin)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    return f"{host}:{parts.port or PORTS[parts.scheme]}"
