"""What another node answers is read within limits: neither its length nor its depth harms the node that asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.chat.other_nodes import understood
from bridge.chat.types import ChatEvent, ChatRequest
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import MOST, RelayClient
from bridge.cluster.relay_server import RelayServer
from bridge.cluster.signing import Signing
from bridge.errors import BrowserError, NodeLost
from bridge.storage.usage_sums import SUMMED, parse_sums
from tests.support.cluster_nodes import KEY
from tests.support.listening import listening
from tests.support.waiting import LIMIT

PIECE = b'"' + b"x" * (1 << 20)
ANSWERS = {"deep": b"[" * 200_000, "no object": b"[]", "no JSON": b"<html>"}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_that_cannot_be_read_is_a_node_that_does_not_answer(body: bytes, status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    await _is_lost(answer)


async def test_an_answer_without_an_end_is_read_up_to_a_limit() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(PIECE)
            sent += len(PIECE)

    await _is_lost(answer)
    assert MOST / 2 < sent < MOST * 2


@pytest.mark.parametrize("tokens", ["Infinity", "NaN", "[]", "null", f'"{"9" * 10_000}"', "[" * 900 + "]" * 900])
def test_sums_that_cannot_be_read_are_those_of_a_node_of_another_version(tokens: str) -> None:
    with pytest.raises(NodeLost, match="another version"), understood("one"):
        parse_sums([{**dict.fromkeys(SUMMED, 1), "tokens": json.loads(tokens)}], ())


class Nobody:
    """A pool that is not asked for anything."""

    def chat(self, _: ChatRequest) -> AsyncGenerator[ChatEvent]:
        raise AssertionError

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize("error", [BrowserError("It is gone."), ValueError("unexpected")])
async def test_what_a_node_cannot_read_to_its_end_is_cut_off(error: Exception) -> None:
    async def broken(http: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(http)
        await response.write(PIECE)
        raise error

    server = RelayServer("one.1", Signing(KEY), Nobody(), _nothing, {"/internal/read": broken})
    async with server.listening("127.0.0.1", 0) as url:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = [f"{name}: {value}" for name, value in Signing(KEY).headers("POST", "/internal/read", b"").items()]
        head = "\r\n".join(["POST /internal/read HTTP/1.1", "Host: one", "Content-Length: 0", *lines, "", ""])
        writer.write(head.encode())
        async with asyncio.timeout(LIMIT):
            said = await reader.read(-1)
        writer.close()
    assert said.count(b"HTTP/1.1 ") == 1, "another response would stand in its body"
    assert len(said) > len(PIECE)
    assert not said.endswith(b"0\r\n\r\n"), "it looks whole"


async def _nothing(_: Any) -> dict[str, Any]:
    return {}


async def _is_lost(answer: Handler) -> None:
    app = web.Application()
    app.router.add_post("/internal/ask", answer)
    async with listening(app) as url, RelayClient(Signing(KEY)) as client:
        with pytest.raises(NodeLost):
            await client.ask(NodeInfo("one", "1", url, 1), {"subject": "any"})
