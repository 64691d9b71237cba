"""Responses over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.chat.types import Finish, Opened, Text
from bridge.errors import BrowserError, PoolFull
from tests.support.fake_backend import Served, serving, soon
from tests.support.openai_schema import check_event
from tests.support.responses import PATH, streamed, types
from tests.support.waiting import LIMIT

Socket = aiohttp.ClientWebSocketResponse


@pytest.fixture
async def socket(served: Served) -> AsyncIterator[Socket]:
    async with served.http.ws_connect(PATH) as opened:
        yield opened


async def ask(socket: Socket, **body: Any) -> list[dict[str, Any]]:
    """Return the events that a message gets."""
    await socket.send_json({"type": "response.create", "model": "deepseek", "input": "Hi", **body})
    return await answer(socket)


async def answer(socket: Socket) -> list[dict[str, Any]]:
    """Return the events up to the last one of a response."""
    events: list[dict[str, Any]] = []
    last = ("response.completed", "response.incomplete", "response.failed")
    while not events or not (events[-1]["type"] in last or "status" in events[-1]):
        text = await socket.receive_str(timeout=LIMIT)
        check_event(text)
        events.append(json.loads(text))
    return events


async def test_the_events_are_those_of_a_stream(served: Served, socket: Socket) -> None:
    assert types(await ask(socket)) == types(await streamed(served))
    assert types(await ask(socket))[-1] == "completed"


async def test_the_last_response_is_gone_on_from_though_it_is_not_kept(served: Served, socket: Socket) -> None:
    last = None
    for text in ("One", "Two", "Three"):
        last = (await ask(socket, input=text, store=False, previous_response_id=last))[-1]["response"]["id"]
    said = [message.text for message in served.backend.requests[-1].messages]
    assert said == ["One", "Hello", "Two", "Hello", "Three"]
    async with served.http.ws_connect(PATH) as other:
        (refused,) = await ask(other, previous_response_id=last)
    assert (refused["status"], refused["error"]["param"]) == (404, "previous_response_id")
    assert refused["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize("given", ["One", []])
async def test_a_response_that_shall_generate_nothing_sends_nothing_and_is_gone_on_from(
    served: Served, socket: Socket, given: object
) -> None:
    """Codex warms its connection up with its instructions and tools; typed into the page they would be a chat."""
    warm = await ask(socket, input=given, instructions="Be terse.", generate=False, store=False)
    assert types(warm) == ["created", "in_progress", "completed"]
    response = warm[-1]["response"]
    assert (response["output"], response["usage"]["total_tokens"]) == ([], 0)
    assert not served.backend.requests
    await ask(socket, input="Two", previous_response_id=response["id"])
    (request,) = served.backend.requests
    assert [message.text for message in request.messages] == [*(["One"] if given else []), "Two"]


async def test_a_message_of_another_type_is_told_its_type_before_its_fields(served: Served, socket: Socket) -> None:
    await socket.send_json({"type": "response.cancel"})
    assert [event["error"]["param"] for event in await answer(socket)] == ["type"]


async def test_failures_are_events_and_leave_the_socket_open(served: Served, socket: Socket) -> None:
    served.backend.scripts = [
        (PoolFull("Full.", retry_after=1),),
        (Opened(), Text("Half"), BrowserError("Lost.", sent=True)),
    ]
    assert [(event["type"], event["status"]) for event in await ask(socket)] == [("error", 429)]
    assert types(await ask(socket))[-2:] == ["error", "failed"]
    assert [event["error"]["param"] for event in await ask(socket, model="none")] == ["model"]
    assert [event["error"]["param"] for event in await ask(socket, type="other")] == ["type"]
    await socket.send_str("no JSON")
    assert (await answer(socket))[0]["status"] == 400
    assert types(await ask(socket))[-1] == "completed"


async def test_responses_run_one_after_the_other(served: Served, socket: Socket) -> None:
    gate = asyncio.Event()
    served.backend.scripts = [(Opened(), gate, Text("First"), Finish())]
    for _ in range(2):
        await socket.send_json({"type": "response.create", "model": "deepseek", "input": "Hi"})
    await soon(served.backend.waiting)
    assert len(served.backend.requests) == 1
    gate.set()
    assert "First" in str(await answer(socket))
    assert "Hello" in str((await answer(socket))[-1])


async def test_a_client_that_leaves_ends_its_chat(served: Served) -> None:
    served.backend.script = (Opened(), asyncio.Event())
    async with served.http.ws_connect(PATH) as socket:
        await socket.send_json({"type": "response.create", "model": "deepseek", "input": "Hi"})
        await soon(served.backend.waiting)
    await soon(served.backend.closed)


async def test_a_socket_needs_a_key(served: Served) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await served.http.ws_connect(PATH, headers={"Authorization": "Bearer wrong"})
    assert refused.value.status == 401
    async with served.http.get(PATH) as response:
        assert response.status == 400


async def test_a_socket_is_closed_once_its_key_is_revoked() -> None:
    async with serving(key_files=True) as served:
        served.access.look_every = 0.05
        key, secret = await served.access.add("agent", "chat")
        served.backend.script = (Opened(), asyncio.Event())
        async with served.http.ws_connect(PATH, headers={"Authorization": f"Bearer {secret}"}) as socket:
            await socket.send_json({"type": "response.create", "model": "deepseek", "input": "Hi"})
            await soon(served.backend.waiting)
            await served.access.revoke(key.id)
            async with asyncio.timeout(LIMIT):
                async for _ in socket:
                    pass
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        await soon(served.backend.closed)


async def test_a_socket_that_needs_no_key_stays_open() -> None:
    async with (
        serving(locked=False) as served,
        aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as http,
        http.ws_connect(PATH) as socket,
    ):
        assert types(await ask(socket))[-1] == "completed"


async def test_nothing_runs_in_the_background_over_a_socket(socket: Socket) -> None:
    (refused,) = await ask(socket, background=True)
    assert (refused["status"], refused["error"]["param"]) == (400, "background")
