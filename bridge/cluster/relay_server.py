"""The listener for other nodes: serves their chats, and their operators' actions, on accounts of this node.

`POST /internal/chat` answers with lines of JSON while the chat runs: `event`, `place`, `ask`, finally `end` or `error`,
and an empty line after each second of silence. After `ask`, which names the account and its fence, nothing is sent to
the site until the other node sends `go` for that fence; so that node knows, whenever this one is lost, whether the
prompt may have been sent. The connection is the chat: when it closes, the generation is stopped.
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
"""Seconds that the other node has to send `go`."""
RETURN_LIMIT = 2.0
"""Seconds that the other node has to send the text that its client will return of the answer."""
WRITE_LIMIT = 60.0
"""Seconds that a write may wait for the other node to read."""
UNACKNOWLEDGED = 10_000
"""Milliseconds without a TCP acknowledgement after which a connection is closed."""
MOST_JSON = 2**28
"""Most bytes of a call, its files included."""

Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | Archive]]


@dataclass
class _Chat:
    """A chat for another node: whether it may be sent, and the text that the client will return of its answer."""

    account: str = ""
    """The chat's account; `fence` is the one under which this node held it when the chat started."""
    fence: int | None = None
    go: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False
    returned: Future[str] = field(default_factory=Future)


class RelayServer:
    """A server for other nodes in front of `backend`, this node's own pool; `operate` runs operators' actions.

    `more` are the handlers of further paths, called with the request and its body.
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
        """Returns the fence under which this node holds an account; None if it does not."""
        self.view: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        """Serves the live view of an account of this node over a WebSocket; None if there is no live view."""

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncGenerator[str]:
        """Listen while the context is open, and yield the address; raise `SetupError` if it cannot listen."""
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
        """Record the account that a chat of another node has got."""
        if isinstance(fact, ChatStarted) and (chat := self._chats.get(fact.chat)) is not None:
            chat.account, chat.fence = fact.account, self.fence_of(fact.account)

    async def _chat(self, http: web.Request, body: bytes) -> web.StreamResponse:
        head, _, data = body.partition(b"\n")
        said = await asyncio.to_thread(read_call, head)
        if said.get("to") != self._node:
            raise NodeLost("The node has been restarted since.")
        request = await asyncio.to_thread(wire.request_of, said, data)
        if request.id in self._chats:
            raise RequestError("The chat is already running.")
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
        """Allow a chat to be sent; refuse it if the chat no longer waits, or its account has moved."""
        said = await off_loop(len(body), read_call, body)
        chat = self._chats.get(str(said.get("chat")))
        if chat is None or chat.is_over:
            raise RequestError("The chat is over.")
        if (said.get("fence", chat.fence), self.fence_of(chat.account)) != (chat.fence, chat.fence):
            raise LeaseLost(f"The account {chat.account} has just moved to another node.")
        chat.go.set()
        return web.json_response({})

    async def _returned(self, _: web.Request, body: bytes) -> web.StreamResponse:
        """Store the text that the client will return of a chat's answer."""
        said = await asyncio.to_thread(read_call, body)
        chat = self._chats.get(str(said.get("chat")))
        if chat is not None and not chat.returned.done():
            chat.returned.set_result(str(said.get("text")))
        return web.json_response({})

    async def _viewed(self, http: web.Request, _: bytes) -> web.StreamResponse:
        if http.query.get("to") != self._node or self.view is None:
            raise NodeLost("The node has been restarted since, or is stopping.")
        _notice_loss(http)
        return await self.view(http)

    async def _account(self, _: web.Request, body: bytes) -> web.StreamResponse:
        done = await self._operate(await off_loop(len(body), read_call, body))
        if isinstance(done, Archive):
            return web.Response(body=done.data, content_type=wire.ARCHIVE, headers={wire.NAME: done.name})
        return web.json_response(done)


class _Answer:
    """The response to another node's chat."""

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
        """Write the answer to its end, with a sign of life every `heartbeat` seconds; cancellation ends the chat."""
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
            pass  # the other node, or its client, has disconnected
        except Exception as error:  # noqa: BLE001 - an outermost edge: the other node must get an error
            log_unexpected(error, "while answering a chat of another node")
            await self._write(wire.error_line(BridgeError(f"The node failed ({type(error).__name__}).", sent=True)))

    async def _may_start(self) -> None:
        """Wait until the other node has sent `go`; raise `NodeLost` if it does not."""
        if self._chat.go.is_set():
            await self._write(wire.line({"account": self._chat.account}))
            return
        await self._write(wire.line({"ask": 1, "account": self._chat.account, "fence": self._chat.fence}))
        try:
            async with asyncio.timeout(self._go_limit):
                await self._chat.go.wait()
        except TimeoutError as error:
            self._chat.is_over = True
            raise NodeLost("The node that asked for the chat no longer answers.") from error

    def _returned(self, answer: str) -> str:
        """Return the text that the client will send back, as sent by the other node; blocks, so runs in a thread."""
        try:
            return self._chat.returned.result(RETURN_LIMIT)
        except Exception as error:  # noqa: BLE001 - cancelled when the chat has ended, or timed out
            logger.debug("The other node did not send what its client returns of the answer ({})", type(error).__name__)
            return answer

    async def _write(self, data: bytes) -> None:
        async with self._one:
            try:
                async with asyncio.timeout(WRITE_LIMIT):
                    await self._response.write(data)
            except TimeoutError as error:
                raise ConnectionResetError("the other node does not read") from error


def _notice_loss(http: web.Request) -> None:
    """Set a TCP timeout, so that the system closes a connection whose peer has vanished."""
    transport = http.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
