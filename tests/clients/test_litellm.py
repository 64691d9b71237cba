"""LiteLLM's proxy in front of the bridge: clients of each API get through it what they get from the bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from bridge.browser.browser import Chromium
from tests.clients.running import LIMIT, example, python, started
from tests.clients.test_clients import check_task
from tests.support.browsers import free_port
from tests.support.live import Live, live
from tests.support.waiting import until

KEY = "sk-of-the-proxy"
LOOK_EVERY = 0.2
"""Seconds between two looks whether the proxy serves."""
CLIENTS = ("openai_sdk", "litellm_responses", "anthropic_sdk", "google_sdk")
"""One for each API that the proxy serves; over a WebSocket it speaks to servers with TLS alone."""


@asynccontextmanager
async def proxy(site: Live, home: Path) -> AsyncIterator[str]:
    """Run the proxy as its example says, and yield its address."""
    (home / "litellm.yaml").write_text(example(site, "litellm.yaml"), "utf-8")
    port = free_port()
    command = ("litellm", "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port))
    with (home / "proxy.log").open("wb") as output:
        async with started(home, *command, output=output, errors=output, LITELLM_MASTER_KEY=KEY):
            url = f"http://127.0.0.1:{port}"
            await served(f"{url}/health/liveliness")
            yield url


async def served(url: str) -> None:
    """Wait until `url` answers."""
    async with aiohttp.ClientSession() as session:

        async def answers() -> bool:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get(url) as response:
                    assert response.status == 200
                    return True
            return False

        await until(answers, LIMIT, LOOK_EVERY)


async def test_clients_of_each_api_work_through_litellm_s_proxy(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium) as site, proxy(site, tmp_path) as url:
        for name in CLIENTS:
            await check_task(site, tmp_path, *python(name), BASE_URL=f"{url}/v1", API_KEY=KEY, PROXIED="1")
