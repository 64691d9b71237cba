"""Opens the ports of the endpoint."""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack

from aiohttp import web

from bridge.api.certificate import Certificate
from bridge.api.connections import BACKLOG
from bridge.errors import SetupError
from bridge.origins import is_loopback, url_of
from bridge.settings import ServerSettings


async def listen(
    stack: AsyncExitStack, runner: web.AppRunner, server: ServerSettings, certificate: Certificate | None = None
) -> str:
    """Listen until `stack` is closed, and return the address; raise `SetupError` if the port is not available."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = _Port(runner, server.host, server.port, certificate, server.header_timeout)
    return await _open(port, "server.port")


async def close_to_others(runner: web.AppRunner) -> None:
    """Accept no more connections; each open one ends with its current response."""
    for site in list(runner.sites):
        await site.stop()
    if runner.server is not None:
        runner.server.pre_shutdown()


async def listen_as_ollama(
    runner: web.AppRunner, server: ServerSettings, certificate: Certificate | None = None
) -> str | None:
    """Listen also on the Ollama port until the runner is cleaned up, and return its address; None without one.

    It uses HTTPS only towards other machines, because programs with a fixed Ollama port do not support HTTPS.
    """
    if server.ollama_port is None:
        return None
    own = None if is_loopback(server.ollama_host.strip("[]")) else certificate
    port = _Port(runner, server.ollama_host, server.ollama_port, own, server.header_timeout)
    return await _open(port, "server.ollama_port")


class _Port(web.BaseSite):
    """A port of the endpoint with its own limit on the TLS handshake; aiohttp's allows a minute."""

    __slots__ = ("_handshake", "host", "number")

    def __init__(
        self, runner: web.AppRunner, host: str, number: int, certificate: Certificate | None, handshake: float
    ) -> None:
        super().__init__(runner, ssl_context=None if certificate is None else certificate.context, backlog=BACKLOG)
        self.host, self.number, self._handshake = host, number, handshake

    @property
    def name(self) -> str:
        """Return the address; for port 0 it is known only while listening."""
        sockets = self._server.sockets if isinstance(self._server, asyncio.Server) else ()
        host, number = (*sockets[0].getsockname()[:2],) if sockets else (self.host, self.number)
        return url_of("http" if self._ssl_context is None else "https", host, number)

    async def start(self) -> None:
        """Start listening."""
        await super().start()
        assert self._runner.server is not None  # noqa: S101 - the runner is set up
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self.host,
            self.number,
            ssl=self._ssl_context,
            ssl_handshake_timeout=None if self._ssl_context is None else self._handshake,
            backlog=self._backlog,
        )


async def _open(port: _Port, setting: str) -> str:
    try:
        await port.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            taken = f"Port {port.number} of {port.host} is in use; choose another one with {setting}."
            raise SetupError(taken) from error
        raise SetupError(f"Cannot listen on {port.host}:{port.number}: {error.strerror or error}.") from error
    return port.name
