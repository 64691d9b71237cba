"""What another node answers is read within limits: neither its length nor its depth harms the node that asks."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import MOST, RelayClient
from bridge.cluster.signing import Signing
from bridge.errors import NodeLost
from tests.support.cluster_nodes import KEY
from tests.support.listening import listening

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


async def _is_lost(answer: Handler) -> None:
    app = web.Application()
    app.router.add_post("/internal/ask", answer)
    async with listening(app) as url, RelayClient(Signing(KEY)) as client:
        with pytest.raises(NodeLost):
            await client.ask(NodeInfo("one", "1", url, 1), {"subject": "any"})
