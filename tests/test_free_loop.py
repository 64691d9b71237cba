"""What keeps the event loop is seen, with its line, and what keeps only a test's own time is not."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.storage.key_files import KeyFile
from tests.conftest import pytest_asyncio_loop_factories
from tests.support.free_loop import PRODUCT, GuardedLoop, taken

SOURCE = """
import gc, sqlite3, subprocess, time
from pathlib import Path

async def reads(folder): Path(folder, "a").exists() or Path(folder, "a").write_bytes(b"")
async def lists(folder): list(Path(folder).iterdir())
async def asks(folder): sqlite3.connect(":memory:").close()
async def starts(folder): subprocess.run(["true"])
async def computes(folder):
    until = time.thread_time() + 0.3
    while time.thread_time() < until: pass
async def collects(folder):
    gc.collect()
    until = time.thread_time() + 0.05
    while time.thread_time() < until: pass
async def is_good(folder): await __import__("asyncio").to_thread(Path(folder, "b").write_bytes, b"")
def calls_back(folder): Path(folder, "c").write_bytes(b"")
"""


@pytest.fixture(scope="module")
def product() -> SimpleNamespace:
    """Code that stands where the product does."""
    made: dict[str, Any] = {}
    exec(compile(SOURCE, f"{PRODUCT}/made_up.py", "exec"), made)  # noqa: S102
    return SimpleNamespace(**made)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["reads", "lists", "asks", "starts", "computes"])
async def test_a_coroutine_of_the_product_that_keeps_the_loop_is_named(
    product: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    await asyncio.get_running_loop().create_task(getattr(product, name)(tmp_path))
    seen = list(taken())
    assert seen
    assert all("made_up.py:" in line and f"in {name}" in line for line in seen)


async def test_a_callback_of_the_product_that_keeps_the_loop_is_named(product: SimpleNamespace, tmp_path: Path) -> None:
    asyncio.get_running_loop().call_soon(product.calls_back, tmp_path)
    await asyncio.sleep(0)
    assert ["in calls_back" in line for line in taken()] == [True]


async def test_what_a_thread_or_the_test_itself_does_keeps_nobody(product: SimpleNamespace, tmp_path: Path) -> None:
    await product.is_good(tmp_path)
    KeyFile(tmp_path).keys()
    product.calls_back(tmp_path)
    until = time.thread_time() + 0.3
    while time.thread_time() < until:
        sum(range(100))
    assert list(taken()) == []


@pytest.mark.slow
async def test_what_the_collector_of_garbage_takes_keeps_nobody(product: SimpleNamespace, tmp_path: Path) -> None:
    much = [[number] for number in range(3_000_000)]
    await asyncio.get_running_loop().create_task(product.collects(tmp_path))
    assert list(taken()) == []
    del much


def test_all_tests_of_a_process_run_on_one_loop_and_so_share_one_browser() -> None:
    assert pytest_asyncio_loop_factories() == pytest_asyncio_loop_factories()


async def test_a_connection_that_is_taken_while_its_server_closes_is_closed() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, GuardedLoop)
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    accepted, client = socket.socketpair()
    client.setblocking(False)  # so that it fails at once where nothing comes
    with client:
        server.close()
        await loop._accept_connection2(asyncio.Protocol, accepted, {}, None, server)
        assert client.recv(1) == b""
