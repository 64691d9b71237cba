"""A chat site that answers by any transport that its page requests, and fails in mid-answer on command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bridge.tasks import Tasks
from tests.support.listening import listening
from tests.support.transports.pages import HARNESS, LOGIN, PAGES, RELOADING
from tests.support.waiting import until

PIECE = 7
"""Bytes of one write; most writes end within a frame, many within a character."""
ALLOWED = {f"access-control-allow-{what}": "*" for what in ("origin", "headers", "methods")}
KINDS = {
    "sse": "text/event-stream; charset=utf-8",
    "sse-untyped": "",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "connect": "application/connect+json",
}
PING = 0.02
STOP_TAKES = 0.2
"""Seconds until a stop arrives; a caller that continues at once is too early."""
Frame = dict[str, Any]


def answer_to(prompt: str) -> str:
    """Return what the site answers."""
    return f"You said — {prompt} 数🚀\n" * 3


def frames_of(turn: Frame) -> list[Frame]:
    """Return the frames of the answer to a turn; on request, a prompt is answered only after a captcha."""
    if "captcha" in turn["prompt"] and "captcha" not in turn:
        return [{"id": turn["id"], "error": "Solve the captcha."}]
    text = answer_to(turn["prompt"])
    pieces = [text[at : at + 9] for at in range(0, len(text), 9)]
    return [*({"id": turn["id"], "text": piece} for piece in pieces), {"id": turn["id"], "done": True}]


def written(frame: Frame, kind: str) -> bytes:
    """Return a frame in the form of this kind of stream."""
    data = json.dumps(frame, ensure_ascii=False).encode()
    match kind:
        case "ndjson":
            return data + b"\n"
        case "connect":
            return b"\0" + len(data).to_bytes(4) + data
        case _:
            return b"data: " + data + b"\n\n"


OLD_FRAME = written({"id": "an old turn", "text": "nobody asked", "done": True}, "sse")


@dataclass
class TransportSite:
    """The prompts of the site, its action in the middle of an answer, and its listeners."""

    url: str = ""
    turns: list[Frame] = field(default_factory=list)
    stops: int = 0
    loads: int = 0
    has_ordered: bool = False
    is_signed_in: bool = True
    reloads: int = 0
    """Number of further documents that reload after their turn."""
    cuts: bool = False
    """Whether it cuts an answer in the middle."""
    hangs: bool = False
    """Whether it waits in the middle of an answer until `go_on` is set or the page stops it."""
    keeps_open: bool = False
    """Whether a response stays open after its last frame."""
    connects_after: float = 0.0
    """Seconds until it answers a page that opens a stream of frames."""
    other_tabs: bool = False
    """Whether a frame of another tab's answer accompanies each frame on a shared channel."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _log: list[Frame] = field(default_factory=list)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)
    _orders: set[web.StreamResponse] = field(default_factory=set)
    _sockets: set[web.WebSocketResponse] = field(default_factory=set)
    _tasks: Tasks = field(default_factory=Tasks)

    @property
    def has_changed_pages(self) -> bool:
        """Tell whether an open page may differ from a new one."""
        return self.has_ordered or self.reloads > 0 or not self.is_signed_in

    def forget(self) -> None:
        """Return to the initial state, except for open pages and their orders; a changed page gets no more orders."""
        self.go_on.set()  # lets a waiting answer end
        kept = {"url", "_log", "_more", "_sockets", "_tasks", *(() if self.has_changed_pages else ("_orders",))}
        vars(self).update({name: value for name, value in vars(TransportSite()).items() if name not in kept})

    async def page(self, request: web.Request) -> web.Response:
        """Show the page of a transport, or the login."""
        self.loads += 1
        self.has_ordered, self._orders = False, set()  # the new document has no orders
        html = HARNESS % PAGES[request.match_info["transport"]] if self.is_signed_in else LOGIN
        if self.reloads:
            self.reloads -= 1
            html += RELOADING
        return web.Response(text=html, content_type="text/html")

    async def login(self, _: web.Request) -> web.Response:
        """Show the login."""
        return web.Response(text=LOGIN, content_type="text/html")

    async def orders(self, request: web.Request) -> web.StreamResponse:
        """Send the page the scripts to run."""
        response = await _streaming(request, "sse")
        self._orders.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            self._orders.discard(response)
        return response

    async def order(self, script: str) -> None:
        """Run a script in each open page, when at least one listens."""
        self.has_ordered = True
        await until(lambda: self._orders)
        for response in tuple(self._orders):
            with suppress(ConnectionError):  # the page has gone
                await response.write(f"data: {script}\n\n".encode())

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a prompt in the response to it."""
        turn, kind = json.loads(await request.read()), request.match_info["kind"]
        self.turns.append(turn)
        if turn.get("stream") is False:
            return web.json_response({"title": "A title"})
        if kind == "json":
            return web.json_response({"id": turn["id"], "text": answer_to(turn["prompt"]), "done": True})
        response = await _streaming(request, kind)
        await self._write(request, response, b"".join(written(frame, kind) for frame in frames_of(turn)))
        return response

    async def prompt(self, request: web.Request) -> web.Response:
        """Accept a prompt; the answer goes to all listeners."""
        if not self.is_signed_in:
            return web.json_response({"error": "signed out"}, status=401)
        self._tasks.start(self._answer(json.loads(await request.read())))
        return web.json_response({"ok": True})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send the frames of one turn, or all from now on; the second stream then starts in mid-frame."""
        await asyncio.sleep(self.connects_after)
        wanted, response = request.query.get("id"), await _streaming(request, "sse")
        seen, rest = (0, b"") if wanted else (len(self._log), OLD_FRAME[-9:])
        await response.write(b":\n\n" if wanted else OLD_FRAME * 2 + OLD_FRAME[:-9])
        while True:
            for frame in await self._after(seen):
                seen += 1
                if wanted in (None, frame["id"]):
                    await response.write(rest + written(frame, "sse"))
                    rest = b""

    async def poll(self, request: web.Request) -> web.Response:
        """Wait for frames since the last poll, and return them."""
        seen = int(request.query["seen"])
        frames = await self._after(seen)
        texts = [str(seen + len(frames)), *(json.dumps(frame, ensure_ascii=False) for frame in frames)]
        return web.Response(text="\x1e".join(texts))

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Send the frames from now on, each as a message, and accept prompts."""
        await asyncio.sleep(self.connects_after)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        sending = self._tasks.start(self._send(socket, is_binary=request.match_info["kind"] == "binary"))
        async for message in socket:
            turn = json.loads(message.data)
            if "prompt" in turn:
                self._tasks.start(self._answer(turn))
        sending.cancel()
        self._sockets.discard(socket)
        return socket

    async def stop(self, _: web.Request) -> web.Response:
        """Stop all answers."""
        await asyncio.sleep(STOP_TAKES)
        self.stops += 1
        self.go_on.set()
        return web.json_response({})

    async def close_sockets(self) -> None:
        """Close each WebSocket."""
        for socket in tuple(self._sockets):
            await socket.close()

    async def say(self, frame: Frame) -> None:
        """Send a frame to all listeners."""
        async with self._more:
            self._log.append(frame)
            self._more.notify_all()

    async def close(self) -> None:
        """End all answers."""
        await self._tasks.close()

    async def _write(self, request: web.Request, response: web.StreamResponse, body: bytes) -> None:
        for at in range(0, len(body), PIECE):
            if at <= len(body) // 2 < at + PIECE:
                await self._middle(request)
            await response.write(body[at : at + PIECE])
        if self.keeps_open:
            await asyncio.Event().wait()

    async def _middle(self, request: web.Request) -> None:
        if self.cuts and request.transport is not None:
            request.transport.abort()
        if self.hangs:
            await self.go_on.wait()

    async def _answer(self, turn: Frame) -> None:
        """Send the frames of an answer to all listeners; pings continue while it hangs."""
        self.turns.append(turn)
        frames = frames_of(turn)
        for number, frame in enumerate(frames):
            if self.other_tabs:
                await self.say({"id": "of another tab", "text": "not yours", "done": number == 1})
            await self.say(frame)
            if number == len(frames) // 2:
                while self.hangs and not self.go_on.is_set():
                    await self.say({"id": "ping"})
                    await asyncio.sleep(PING)

    async def _send(self, socket: web.WebSocketResponse, *, is_binary: bool) -> None:
        seen = len(self._log)
        with suppress(ConnectionError):
            while not socket.closed:
                for frame in await self._after(seen):
                    seen += 1
                    data = json.dumps(frame, ensure_ascii=False)
                    await (socket.send_bytes(data.encode()) if is_binary else socket.send_str(data))

    async def _after(self, seen: int) -> list[Frame]:
        """Wait for frames after the given number, and return them."""
        async with self._more:
            await self._more.wait_for(lambda: len(self._log) > seen)
            return self._log[seen:]


async def _streaming(request: web.Request, kind: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={**ALLOWED, "content-type": KINDS[kind]})
    await response.prepare(request)
    return response


async def _allowed(_: web.Request) -> web.Response:
    return web.Response(headers=ALLOWED)


@asynccontextmanager
async def transport_site() -> AsyncGenerator[TransportSite]:
    """Run the site on a free local port, under two names: 127.0.0.1 and localhost."""
    site, app = TransportSite(), web.Application()
    routes = [web.get("/page/{transport}", site.page), web.get("/login", site.login), web.get("/orders", site.orders)]
    chat = [web.post("/chat/{kind}", site.chat), web.options("/chat/{kind}", _allowed), web.post("/stop", site.stop)]
    shared = [web.post("/prompt", site.prompt), web.get("/events", site.events), web.get("/poll", site.poll)]
    app.add_routes([*routes, *chat, *shared, web.get("/ws/{kind}", site.socket)])
    async with listening(app) as site.url:
        try:
            yield site
        finally:
            await site.close()
