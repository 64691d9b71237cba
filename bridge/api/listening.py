"""Opens the ports of the endpoint."""

from __future__ import annotations

import errno
from contextlib import AsyncExitStack

from aiohttp import web

from bridge.api.connections import BACKLOG
from bridge.errors import SetupError
from bridge.settings import ServerSettings


async def listen(stack: AsyncExitStack, runner: web.AppRunner, server: ServerSettings) -> str:
    """Listen until `stack` is left, and return the address; raise `SetupError` where that cannot be."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return await _open_port(runner, server.host, server.port, "server.port")


async def listen_as_ollama(runner: web.AppRunner, server: ServerSettings) -> str | None:
    """Listen on the second port as well, until the runner is cleaned up, and return its address; None without one."""
    if server.ollama_port is None:
        return None
    return await _open_port(runner, server.ollama_host, server.ollama_port, "server.ollama_port")


async def _open_port(runner: web.AppRunner, host: str, port: int, setting: str) -> str:
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SetupError(f"Port {port} of {host} is in use; choose another one with {setting}.") from error
        raise SetupError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    bound: tuple[str, int] = runner.addresses[-1][:2]
    name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http://{name}:{bound[1]}"
