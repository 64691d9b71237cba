"""A real redis-server on a free loopback port, which a test can kill, freeze, empty and restart."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from bridge.cluster.redis_link import RedisLink, connect
from tests.support.browsers import free_port
from tests.support.waiting import until

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """The server; without `persists`, it restarts without its data, as from an old snapshot.

    `options` are further command line options; they come after the file `config`, if there is one.
    """

    def __init__(
        self, folder: Path, port: int, *options: str, config: Path | None = None, persists: bool = False
    ) -> None:
        self.folder, self.port, self._persists = folder, port, persists
        self._options, self._config = options, config
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the server, and wait until it answers."""
        assert SERVER is not None
        kept = (
            ["--appendonly", "yes", "--appendfsync", "always"]
            if self._persists
            else ["--save", "", "--appendonly", "no"]
        )
        self._process = await asyncio.create_subprocess_exec(
            *(SERVER, *([] if self._config is None else [str(self._config)]), "--port", str(self.port)),
            *("--bind", "127.0.0.1", "--dir", str(self.folder), *([] if self._config else kept), *self._options),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await until(self._answers)

    async def kill(self) -> None:
        """Kill the server, as a crash does."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @asynccontextmanager
    async def link(self, limit: float = 1.0, prefix: str = "test") -> AsyncGenerator[RedisLink]:
        """Connect to the server."""
        link = connect(self.url, prefix, limit)
        try:
            yield link
        finally:
            await link.close()

    async def _answers(self) -> bool:
        async with self.link() as link:
            try:
                await link._client.ping()
            except (RedisError, OSError):
                return False
        return True


@asynccontextmanager
async def redis_server(
    folder: Path, *options: str, config: Path | None = None, persists: bool = False
) -> AsyncGenerator[RedisServer]:
    """Run a server; skip the test if none is installed, except in CI."""
    if SERVER is None:
        pytest.skip("needs redis-server or valkey-server")
    server = RedisServer(folder, free_port(), *options, config=config, persists=persists)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
