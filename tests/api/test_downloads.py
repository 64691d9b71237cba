"""A stored file is read at whatever pace its client has, and no longer than it is read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from bridge.settings import FileSettings, ServerSettings
from tests.api.test_api_files import keep
from tests.api.test_connections import request
from tests.support.fake_backend import Served, serving
from tests.support.waiting import until

SIZE = 8 * 1024**2
"""More than the system takes off the server's hands."""
UNREAD = 2.0
SIP = 2**16


@asynccontextmanager
async def downloading(folder: Path) -> AsyncGenerator[tuple[Served, str, socket.socket]]:
    """Ask for a large file, of which no byte has been read yet."""
    limits = FileSettings(folder=folder / "files")
    async with serving(ServerSettings(unread=UNREAD), files=limits) as served:
        kept = await keep(served, data=bytes(SIZE))
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", served.port))
            connection.setblocking(False)
            connection.send(request(f"GET /v1/files/{kept.id}/content HTTP/1.1", "connection: close"))
            yield served, str(folder / "files" / kept.id), connection


def is_open(path: str) -> bool:
    return path in [file.path for file in psutil.Process().open_files()]


@pytest.mark.slow
async def test_a_download_that_nobody_reads_is_given_up_and_its_file_closed(tmp_path: Path) -> None:
    async with downloading(tmp_path) as (_, path, _connection):
        await until(lambda: is_open(path))
        await until(lambda: not is_open(path))


@pytest.mark.slow
async def test_a_download_that_is_read_slowly_arrives_whole(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with downloading(tmp_path) as (_, _path, connection), asyncio.timeout(100):
        begun, received = loop.time(), 0
        while data := await loop.sock_recv(connection, SIP):
            received += len(data)
            if loop.time() - begun < 2 * UNREAD:
                await asyncio.sleep(UNREAD / 8)
    assert received > SIZE
