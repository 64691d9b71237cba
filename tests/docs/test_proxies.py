"""nginx and Caddy in front of the bridge, as the examples set them up: answers come through as they are written."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.chat.types import ChatEvent, Finish, Opened, Text
from bridge.settings import ServerSettings
from tests.docs.test_examples import EXAMPLES, ended, program
from tests.support.certificates import NAME
from tests.support.fake_backend import ADMIN_KEY, Served, serving, soon
from tests.support.proxies import PROXIES, behind
from tests.support.waiting import LIMIT

pytestmark = pytest.mark.browser  # they start other programs
ASK = {"model": "deepseek", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
CHUNKS, PAUSE = 200, 0.01


@asynccontextmanager
async def bridge() -> AsyncGenerator[Served]:
    async with serving(ServerSettings(allowed_hosts=(NAME,))) as served:
        yield served


@pytest.mark.parametrize("name", PROXIES)
async def test_each_token_is_passed_on_before_the_next_one_comes(tmp_path: Path, name: str) -> None:
    more = asyncio.Event()
    async with bridge() as served, behind(name, tmp_path, served.port) as http:
        served.backend.script = (Opened(), Text("first"), more, Text("second"), Finish())
        async with http.post("/v1/chat/completions", json=ASK) as response:
            assert response.status == 200, await response.text()
            seen = b""
            async with asyncio.timeout(LIMIT):
                while b"first" not in seen:
                    seen += await response.content.readany()
            assert b"second" not in seen
            await soon(served.backend.waiting)
            more.set()
            assert b"second" in await response.read()


@pytest.mark.parametrize("name", PROXIES)
async def test_a_session_behind_a_proxy_is_one_for_https_alone(tmp_path: Path, name: str) -> None:
    given: Any = {"json": {"key": ADMIN_KEY}, "headers": {"Authorization": f"Bearer {ADMIN_KEY}"}}
    async with (
        bridge() as served,
        behind(name, tmp_path, served.port) as http,
        http.post("/admin/api/session", **given) as response,
    ):
        assert response.status == 200, await response.text()
        assert [cookie["secure"] for cookie in response.cookies.values()] == [True]


async def test_the_caddy_example_is_valid(tmp_path: Path) -> None:
    command = (program("caddy"), "validate", "--config", EXAMPLES / "Caddyfile", "--adapter", "caddyfile")
    code, said = await ended(*command, XDG_DATA_HOME=str(tmp_path))
    assert code == 0, said


class Stamped(tuple[ChatEvent, ...]):
    """An answer whose pieces say when they were made."""

    def __iter__(self) -> Iterator[object]:  # type: ignore[override]
        yield Opened()
        for _ in range(CHUNKS):
            pause = asyncio.Event()
            asyncio.get_running_loop().call_later(PAUSE, pause.set)
            yield pause
            yield Text(f"<{time.perf_counter()}>")
        yield Finish()


async def delays(http: aiohttp.ClientSession) -> list[float]:
    """Return how many milliseconds each piece of an answer took from the bridge to the client."""
    found = []
    async with http.post("/v1/chat/completions", json=ASK) as response:
        async for line in response.content:
            if b"<" in line:
                made = float(line.partition(b"<")[2].partition(b">")[0])
                found.append(1000 * (time.perf_counter() - made))
    return found


@pytest.mark.stress  # seconds of waiting, for figures that nobody reads in `make test`
async def test_the_delay_that_proxies_add_is_printed_beside_that_of_the_direct_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(bridge())
        ways = {"direct": served.http}
        for name in PROXIES:
            (tmp_path / name).mkdir()
            ways[name] = await stack.enter_async_context(behind(name, tmp_path / name, served.port))
        served.backend.script = Stamped()
        for name, http in ways.items():
            found = sorted(await delays(http))
            assert len(found) == CHUNKS
            p99 = found[int(0.99 * CHUNKS)]
            with capsys.disabled():
                print(
                    f"\n{name:8} delay of a chunk: median {statistics.median(found):.2f} ms, p99 {p99:.2f} ms", end=""
                )
