"""The listener for other nodes: a chat of theirs on an account of this node, and what an operator wants of one.

`POST /internal/chat` answers with lines of JSON as long as the chat lasts: `event`, `place`, `ask`, at last `end` or
`error`, and an empty line in each second without one. After `ask`, which names the account and its fence, nothing is
sent to the site before the other node has said `go` for that fence; so that one knows, whenever this node is lost,
whether something may have been sent. The connection is the chat: where it ends, so does the generation.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from loguru import logger

from bridge.background import off_loop
from bridge.chat.account_control import Archive
from bridge.chat.types import ChatBackend, ChatRequest
from bridge.cluster import wire
from bridge.cluster.signed_calls import Handler, guarded, note_begun, read_call
from bridge.cluster.signing import Signing
from bridge.errors import BridgeError, LeaseLost, NodeLost, RequestError, SetupError
from bridge.tasks import log_unexpected
from bridge.telemetry import ChatStarted, Fact

HEARTBEAT = 1.0
"""Seconds of silence after which an empty line is written."""
GO_LIMIT = 5.0
"""Seconds that the other node has to say `go`."""
RETURN_LIMIT = 2.0
"""Seconds that the other node has to tell what its client will return of the answer."""
WRITE_LIMIT = 60.0
"""Seconds that the other node may leave what was written unread."""
UNACKNOWLEDGED = 10_000
"""Milliseconds after which a connection is gone on which nothing is acknowledged."""
MOST_JSON = 2**28
"""Bytes of a call, its files included."""

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | Archive]]


@dataclass
class _Chat:
    """A chat that another node is answered: its client's text of the answer, and whether it may be sent."""

    account: str = ""
    """The account that has it, and under which fence this node had that then."""
    fence: int | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False
    returned: Future[str] = field(default_factory=Future)


class RelayServer:
    """Answers other nodes from `backend`, the pool of this node alone; `operate` does what an operator wants.

    `more` are the handlers of further paths, which take the body, too.
    """

    def __init__(
        self,
        node: str,
        signing: Signing,
        backend: ChatBackend,
        operate: Operation,
        more: Mapping[str, Handler] | None = None,
        heartbeat: float = HEARTBEAT,
        go_limit: float = GO_LIMIT,
    ) -> None:
        self._node = node
        self._signing = signing
        self._backend = backend
        self._operate = operate
        self._more = more or {}
        self._heartbeat, self._go_limit = heartbeat, go_limit
        self._chats: dict[str, _Chat] = {}
        self.fence_of: Callable[[str], int | None] = lambda _: None
        """Returns under which fence this node has an account now, if it has."""
        self.view: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        """Answers a WebSocket with the live view of an account of this node; None where there is none."""

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncGenerator[str]:
        """Listen meanwhile, and yield the address; raises `SetupError` where that cannot be."""
        app = web.Application(client_max_size=MOST_JSON)
        app.on_response_prepare.append(note_begun)
        app.add_routes(
            [
                web.post("/internal/chat", guarded(self._signing, self._chat)),
                web.post("/internal/go", guarded(self._signing, self._go)),
                web.post("/internal/returned", guarded(self._signing, self._returned)),
                web.post("/internal/account", guarded(self._signing, self._account)),
                *(web.post(path, guarded(self._signing, handler)) for path, handler in self._more.items()),
                web.get("/internal/view", guarded(self._signing, self._viewed)),
            ]
        )
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            try:
                await site.start()
            except OSError as error:
                raise SetupError(f"Cannot listen on cluster.host and cluster.port, {host}:{port}: {error}.") from error
            yield f"http://{host}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    def on_fact(self, fact: Fact) -> None:
        """Note which account a chat of another node has got."""
        if isinstance(fact, ChatStarted) and (chat := self._chats.get(fact.chat)) is not None:
            chat.account, chat.fence = fact.account, self.fence_of(fact.account)

    async def _chat(self, http: web.Request, body: bytes) -> web.StreamResponse:
        head, _, data = body.partition(b"\n")
        said = await asyncio.to_thread(read_call, head)
        if said.get("to") != self._node:
            raise NodeLost("The node was restarted since.")
        request = await asyncio.to_thread(wire.request_of, said, data)
        if request.id in self._chats:
            raise RequestError("The chat runs already.")
        chat = self._chats[request.id] = _Chat()
        try:
            response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            _notice_loss(http)
            await response.prepare(http)
            asks = not said.get("returns_as_is", True)
            answer = _Answer(response, self._backend, request, chat, self._go_limit, asks=asks)
            await answer.written(self._heartbeat)
            return response
        finally:
            chat.is_over = True
            if not chat.returned.done():
                chat.returned.cancel()
            del self._chats[request.id]

    async def _go(self, _: web.Request, body: bytes) -> web.StreamResponse:
        """Let a chat be sent; refused where it has given up waiting for that, or the account has moved meanwhile."""
        said = await off_loop(len(body), read_call, body)
        chat = self._chats.get(str(said.get("chat")))
        if chat is None or chat.is_over:
            raise RequestError("The chat is over.")
        if (said.get("fence", chat.fence), self.fence_of(chat.account)) != (chat.fence, chat.fence):
            raise LeaseLost(f"The account {chat.account} has moved to another node just now.")
        chat.go.set()
        return web.json_response({})

    async def _returned(self, _: web.Request, body: bytes) -> web.StreamResponse:
        """Take what the client will return of a chat's answer."""
        said = await asyncio.to_thread(read_call, body)
        chat = self._chats.get(str(said.get("chat")))
        if chat is not None and not chat.returned.done():
            chat.returned.set_result(str(said.get("text")))
        return web.json_response({})

    async def _viewed(self, http: web.Request, _: bytes) -> web.StreamResponse:
        if http.query.get("to") != self._node or self.view is None:
            raise NodeLost("The node was restarted since, or stops.")
        _notice_loss(http)
        return await self.view(http)

    async def _account(self, _: web.Request, body: bytes) -> web.StreamResponse:
        done = await self._operate(await off_loop(len(body), read_call, body))
        if isinstance(done, Archive):
            return web.Response(body=done.data, content_type=wire.ARCHIVE, headers={wire.NAME: done.name})
        return web.json_response(done)


class _Answer:
    """Writes the answer of one chat to another node."""

    def __init__(
        self,
        response: web.StreamResponse,
        backend: ChatBackend,
        request: ChatRequest,
        chat: _Chat,
        go_limit: float,
        *,
        asks: bool,
    ) -> None:
        self._response = response
        self._backend = backend
        self._chat = chat
        self._go_limit = go_limit
        returned = self._returned if asks else str
        self._request = replace(request, may_start=self._may_start, returned=returned)
        self._one = asyncio.Lock()
        self._place: int | None = None

    async def written(self, heartbeat: float) -> None:
        """Write it to its end, with a sign of life every `heartbeat` seconds; one that is cancelled ends the chat."""
        pump = asyncio.get_running_loop().create_task(self._pump())
        try:
            while not (await asyncio.wait({pump}, timeout=heartbeat))[0]:
                place = self._backend.place_in_queue(self._request)
                await self._write(b"\n" if place == self._place else wire.line({"place": place}))
                self._place = place
        finally:
            pump.cancel()
            await asyncio.wait({pump})
        if not pump.cancelled():
            pump.result()

    async def _pump(self) -> None:
        try:
            async with aclosing(self._backend.chat(self._request)) as events:
                async for event in events:
                    await self._write(wire.event_line(event))
            await self._write(wire.line({"end": 1}))
        except BridgeError as error:
            await self._write(wire.error_line(error))
        except ConnectionError:
            pass  # the other node has left, and its client with it
        except Exception as error:  # noqa: BLE001 - an outermost edge: the other node must hear of it
            log_unexpected(error, "while a chat of another node was answered")
            await self._write(wire.error_line(BridgeError(f"The node failed ({type(error).__name__}).", sent=True)))

    async def _may_start(self) -> None:
        """Wait until the other node has said `go`; raise where it does not."""
        if self._chat.go.is_set():
            await self._write(wire.line({"account": self._chat.account}))
            return
        await self._write(wire.line({"ask": 1, "account": self._chat.account, "fence": self._chat.fence}))
        try:
            async with asyncio.timeout(self._go_limit):
                await self._chat.go.wait()
        except TimeoutError as error:
            self._chat.is_over = True
            raise NodeLost("The node that asked for the chat does not answer any more.") from error

    def _returned(self, answer: str) -> str:
        """Return what the client will send back of the answer, which the other node knows; blocks, in a thread."""
        try:
            return self._chat.returned.result(RETURN_LIMIT)
        except Exception as error:  # noqa: BLE001 - it is cancelled where the chat has ended, or there is none in time
            logger.debug("The result of a chat's client did not reach the other node ({})", type(error).__name__)
            return answer

    async def _write(self, data: bytes) -> None:
        async with self._one:
            try:
                async with asyncio.timeout(WRITE_LIMIT):
                    await self._response.write(data)
            except TimeoutError as error:
                raise ConnectionResetError("the other node does not read") from error


def _notice_loss(http: web.Request) -> None:
    """Have the system end a connection whose other end is gone without a word."""
    transport = http.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
