"""A client that leaves one node stops what the account of another one generates, whatever the client speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.support.cluster_http import Endpoint, key_on, two_endpoints
from tests.support.cluster_nodes import Cluster
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser
MODEL = "deepseek-chat"
WORDS = "100000 words"


def ways() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield paths and bodies of all dialects, each with a prompt of its own, and whether the answer is a stream."""
    for is_stream in (False, True):
        for number, path in enumerate(("chat/completions", "messages", "completions", "responses")):
            prompt = f"{WORDS} {number} {is_stream}"
            said = {"messages": [{"role": "user", "content": prompt}]} if number < 2 else {"prompt": prompt}
            said = {"input": prompt} if path == "responses" else said
            yield f"/v1/{path}", {"model": MODEL, "max_tokens": 8000, "stream": is_stream, **said}, is_stream
        prompt = f"{WORDS} of Ollama {is_stream}"
        said = {"messages": [{"role": "user", "content": prompt}]}
        yield "/api/chat", {"model": MODEL, "stream": is_stream, **said}, is_stream
        yield "/api/generate", {"model": MODEL, "stream": is_stream, "prompt": f"{prompt} again"}, is_stream
        method = "streamGenerateContent" if is_stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": f"{WORDS} of Gemini {is_stream}"}]}]
        yield f"/v1beta/models/{MODEL}:{method}", {"contents": contents}, is_stream


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def answered(side: Endpoint, key: str, path: str, body: dict[str, Any], *, is_stream: bool) -> None:
    """Ask, and leave a stream with its first bytes."""
    async with (
        aiohttp.ClientSession(headers=side.headers(key)) as http,
        asyncio.timeout(LIMIT),
        http.post(f"{side.url}{path}", json=body) as response,
    ):
        assert response.status == 200, await response.text()
        await (response.content.readany() if is_stream else response.read())


async def test_a_client_of_each_dialect_stops_the_generation_on_the_other_node(
    cluster: Cluster, stack: AsyncExitStack
) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    did = cluster.recorder.did
    for number, (path, body, is_stream) in enumerate(ways(), 1):
        asking = asyncio.get_running_loop().create_task(answered(both[1], key, path, body, is_stream=is_stream))

        def is_sent(number: int = number, asking: asyncio.Task[None] = asking) -> bool:
            return len(did("send")) == number or asking.done()

        await until(is_sent)
        if not is_stream:
            asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled() or asking.exception() is None, (path, asking)

        def is_stopped(number: int = number) -> bool:
            return len(did("stop")) == number

        await until(is_stopped)
    assert [act.text for act in did("stop")] == [act.text for act in did("send")]
    assert {act.node for act in did("stop")} == {"one"}


async def test_a_websocket_that_is_closed_stops_it_too(cluster: Cluster, stack: AsyncExitStack) -> None:
    both = await two_endpoints(cluster, stack, "a")
    _, key = await key_on(*both)
    async with both[1].http.ws_connect(f"{both[1].url}/v1/responses", headers=both[1].headers(key)) as socket:
        await socket.send_json({"type": "response.create", "model": MODEL, "input": WORDS})
        await until(lambda: cluster.recorder.did("send"))
    await until(lambda: cluster.recorder.did("stop"))
