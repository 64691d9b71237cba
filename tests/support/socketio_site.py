"""A socket.io chat site whose page polls, moves to a WebSocket in mid-answer, is refused one, or starts with one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import WSMsgType, web

from bridge.tasks import Tasks
from tests.support.listening import listening

How = Literal["polls", "moves", "refused", "socket"]
PAGE = Path(__file__).with_suffix(".html")
ADDRESS = "/socket.io/"
PIECES = 40
PING = 0.05

FILE = """
name = "small"
title = "Socket.io"
start_url = "https://small.test"
min_interval = 0.0

[[models]]
id = "small"

[login]
guest = true

[composer]
box = ["textarea"]
stop_button = ["#stop"]
messages = [".message"]

[request]
method = "WEBSOCKET"
path = "/socket.io/"
body = "socketio"
when = { "[0]" = "prompt" }
prompt = ["[1].text"]
others = [{ method = "WEBSOCKET", path = "/socket.io/", when = { "[0]" = { in = ["typing", "stop"] } } }]

[answer]
framing = "socketio"

[[answer.rules]]
when = { "[0]" = "piece" }
emit = "text"
value = "[1].text"

[[answer.rules]]
when = { "[0]" = "binary" }
emit = "text"
value = "[1]"

[[answer.rules]]
when = { "[0]" = "upgrade" }
emit = "ignore"

[[answer.rules]]
when = { "[0]" = "end" }
emit = "finish"
"""


def answer_to(prompt: str) -> str:
    """Return what the site answers."""
    return "".join(f"{number} — {prompt} 数🚀\n" for number in range(PIECES))


@dataclass
class Session:
    """One session of engine.io: the packets for the page, and the WebSocket to which it has moved."""

    waiting: list[str | bytes] = field(default_factory=list)
    more: asyncio.Condition = field(default_factory=asyncio.Condition)
    socket: web.WebSocketResponse | None = None
    has_tried: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the page has moved to a WebSocket, or was refused one."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, *packets: str | bytes) -> None:
        """Deliver packets to the page."""
        async with self.more:
            self.waiting += packets
            self.more.notify_all()

    async def take(self) -> list[str | bytes]:
        """Wait for packets, and return them."""
        async with self.more:
            await self.more.wait_for(lambda: self.waiting)
            taken, self.waiting = self.waiting, []
            return taken


@dataclass
class SocketioSite:
    """The site: the transport of its answers, and the prompts that it received by each transport."""

    how: How
    url: str = ""
    ends_late: bool = False
    """Whether the end of the earlier answer arrives after the prompt."""
    hangs: bool = False
    """Whether an answer never ends on its own."""
    prompts: list[tuple[str, str]] = field(default_factory=list)
    """Each prompt, with the transport that carried it."""
    answered: list[str] = field(default_factory=list)
    """The transports that carried pieces of answers."""
    stops: int = 0
    _sessions: dict[str, Session] = field(default_factory=dict)
    _tasks: Tasks = field(default_factory=Tasks)

    async def page(self, _: web.Request) -> web.Response:
        """Show the page."""
        html = (await asyncio.to_thread(PAGE.read_text, "utf-8")).replace("HOW", self.how)
        return web.Response(text=html, content_type="text/html")

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answer a handshake, a poll, or the request for a WebSocket."""
        if request.query["transport"] == "websocket":
            return await self._socket(request)
        if (sid := request.query.get("sid")) is None:
            return self._handshake()
        packets = await self._sessions[sid].take()
        self._note(packets, "polling")
        written = (packet if isinstance(packet, str) else f"b{base64.b64encode(packet).decode()}" for packet in packets)
        return web.Response(text="\x1e".join(written))

    async def post(self, request: web.Request) -> web.Response:
        """Accept packets from the page."""
        session = self._sessions[request.query["sid"]]
        for packet in (await request.text()).split("\x1e"):
            await self._take(session, packet, "polling")
        return web.Response(text="ok")

    async def close(self) -> None:
        """End all answers."""
        await self._tasks.close()

    def _handshake(self) -> web.Response:
        sid = f"s{len(self._sessions)}"
        session = self._sessions[sid] = Session()
        self._tasks.start(self._ping(session))
        return web.Response(text=f"0{json.dumps({'sid': sid, 'upgrades': ['websocket']})}")

    async def _ping(self, session: Session) -> None:
        while True:
            await session.put("2")
            await asyncio.sleep(PING)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions[request.query["sid"]]
        if self.how == "refused":
            session.has_tried.set()
            return web.Response(status=400)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sending = None
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "2probe":
                await socket.send_str("3probe")
                await session.put("6")  # ends the waiting poll
            elif message.data == "5":
                sending = self._tasks.start(self._send(session, socket))
                session.has_tried.set()
            else:
                await self._take(session, message.data, "socket")
        if sending is not None:
            sending.cancel()
        return socket

    async def _send(self, session: Session, socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while not socket.closed:
                packets = await session.take()
                self._note(packets, "socket")
                for packet in packets:
                    await (socket.send_str(packet) if isinstance(packet, str) else socket.send_bytes(packet))

    def _note(self, packets: list[str | bytes], transport: str) -> None:
        self.answered += [transport for packet in packets if isinstance(packet, str) and "piece" in packet]

    async def _take(self, session: Session, packet: str, transport: str) -> None:
        if not packet.startswith("42"):
            return
        event, body = json.loads(packet[2:])
        if event == "stop":
            self.stops += 1
            session.stopped.set()
        elif event == "prompt":
            self.prompts.append((body["text"], transport))
            self._tasks.start(self._answer(session, body["text"]))

    async def _answer(self, session: Session, prompt: str) -> None:
        """Send the pieces of an answer, one of them as binary data; the page moves between them."""
        session.stopped.clear()
        if self.ends_late:
            await session.put(_event("end"))
        lines = answer_to(prompt).splitlines(keepends=True)
        for number, line in enumerate(lines):
            if number == PIECES // 4 and self.how in ("moves", "refused"):
                await session.put(_event("upgrade"))
            if number == PIECES // 2:
                await session.put('451-["binary",{"_placeholder":true,"num":0}]', line.encode())
                await self._middle(session)
            else:
                await session.put(_event("piece", text=line))
            await asyncio.sleep(0)
        await session.put(_event("end"))

    async def _middle(self, session: Session) -> None:
        if self.how in ("moves", "refused"):
            await session.has_tried.wait()
        if self.hangs:
            await session.stopped.wait()


def _event(name: str, **body: Any) -> str:
    return f"42{json.dumps([name, body], ensure_ascii=False)}"


@asynccontextmanager
async def socketio_site(how: How) -> AsyncGenerator[SocketioSite]:
    """Run the site on a free port."""
    site, app = SocketioSite(how), web.Application()
    app.add_routes([web.get("/", site.page), web.get(ADDRESS, site.get), web.post(ADDRESS, site.post)])
    async with listening(app) as site.url:
        try:
            yield site
        finally:
            await site.close()
