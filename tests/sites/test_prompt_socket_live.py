"""A page that cannot connect the WebSocket for its prompts: the site is down, and no account is the worse for it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from bridge.browser.browser import Chromium
from bridge.browser.socket_gate import BINDING, NO_MESSAGE, held_message
from bridge.telemetry import WorkerState
from tests.support.hostile import states
from tests.support.one_page_sites import HEAD, TEXT_UNTIL_END, served
from tests.support.small_site import TURN, bridged
from tests.support.waiting import until

PAGE = """<!doctype html><title>Socket</title><textarea id="box"></textarea>
<script>
const box = document.getElementById("box");
let socket;
const connect = () => {
  socket = new WebSocket(location.origin.replace("http", "ws") + "/wire");
  socket.onclose = () => setTimeout(connect, 100);
};
connect();
box.onkeydown = event => {
  if (event.key !== "Enter" || event.shiftKey || socket.readyState !== WebSocket.OPEN) return;
  event.preventDefault();
  socket.send("half of a pair: \\ud83d");
  socket.send(JSON.stringify({prompt: box.value}));
  box.value = "";
};
</script>"""
FILE = (
    HEAD
    + """
[composer]
box = ["#box"]

[request]
path = "/wire"
method = "WEBSOCKET"
when = { prompt = { exists = true } }
prompt = ["prompt"]

[answer]
framing = "websocket"
call = { path = "/wire", method = "WEBSOCKET" }
opened = "before"
"""
    + TEXT_UNTIL_END
)


class SocketSite:
    """The site; while it is down its sockets are closed and refused."""

    def __init__(self) -> None:
        self.url = ""
        self.is_down = False
        self.sockets: set[web.WebSocketResponse] = set()

    async def wire(self, request: web.Request) -> web.StreamResponse:
        """Answer prompts with what they said."""
        if self.is_down:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT and message.data.startswith("{"):
                await socket.send_json({"text": "You said: " + json.loads(message.data)["prompt"]})
                await socket.send_json({"end": True})
        self.sockets.discard(socket)
        return socket

    async def go_down(self) -> None:
        """Close all sockets, and refuse new ones."""
        self.is_down = True
        for socket in list(self.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)


@asynccontextmanager
async def socket_site() -> AsyncGenerator[SocketSite]:
    """Run the site on a free port."""
    site = SocketSite()
    async with served(PAGE, {"GET /wire": site.wire}) as site.url:
        yield site


async def test_a_prompt_that_the_page_has_no_socket_for_is_not_sent_and_costs_no_account(
    tmp_path: Path, chromium: Chromium
) -> None:
    turn = TURN.model_copy(update={"submit": 3, "first_byte": 3})
    async with socket_site() as site, bridged(tmp_path, site, chromium, FILE, turn=turn) as run:
        assert await run.ask("Hi") == "You said: Hi"
        await site.go_down()
        with pytest.raises(openai.APIStatusError, match="cannot connect its WebSocket") as failed:
            await run.ask("Are you there?")
        assert failed.value.code == "network_error"
        site.is_down = False
        await until(lambda: bool(site.sockets))
        assert await run.ask("And now?") == "You said: And now?"
        assert set(states(run.facts)) == {WorkerState.READY}


@pytest.mark.parametrize(
    "told",
    [
        "none",
        "null",
        "[]",
        '{"number": 1}',
        '{"number": "x", "url": "ws://a/wire", "data": "a", "isBinary": true}',
        '{"number": 1e999, "url": "", "data": "x", "isBinary": false}',
        '{"number": 5, "url": "http://[", "data": "x", "isBinary": false}',
        '{"number": 5, "url": 7, "data": 7, "isBinary": false}',
        "[" * 100_000,
    ],
    ids=lambda told: told[:40],
)
def test_what_a_page_makes_up_in_place_of_a_held_message_is_none(told: str) -> None:
    with pytest.raises(NO_MESSAGE):
        held_message(told)


async def test_a_page_that_makes_messages_up_disturbs_nobody(tmp_path: Path, chromium: Chromium) -> None:
    async with socket_site() as site, bridged(tmp_path, site, chromium, FILE) as run:
        await run.driver().page.evaluate(f"{BINDING}('none')")
        assert await run.ask("Hi") == "You said: Hi"
        assert set(states(run.facts)) == {WorkerState.READY}
