"""Runs chats on other nodes, and yields their events as if the account were here; see `relay_server`.

A node that is silent for `SILENCE` seconds is lost. The error's `sent` tells whether the prompt may have reached the
site, which is so from the moment this node sends `go`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from bridge.background import off_loop
from bridge.chat.account_control import Archive
from bridge.chat.types import Attachment, ChatEvent, ChatRequest, Finish, Rewritten, Text
from bridge.cluster import wire
from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.signing import Signing
from bridge.errors import LeaseLost, NodeLost, NotThere
from bridge.telemetry import Timeline

SILENCE = 4.0
"""Seconds without even a heartbeat after which a node is lost."""
CONNECT_LIMIT = 2.0
CALL_LIMIT = 150.0
"""Seconds that an operator's action on an account may take."""
ASK_LIMIT = 30.0
"""Seconds that a question, or each piece of a read, may take."""
MOST_ARCHIVE = 2**27
"""Most bytes of an archive: a little more than the limit of the files in it."""
MOST_MESSAGE = 2**24
"""Most bytes of a WebSocket message, which may hold a screenshot."""
MOST = 2**26
"""Most bytes of one line or one answer."""


class RelayClient:
    """A client for calls to other nodes; usable while it is entered as a context manager.

    A node is lost after `silence` seconds without even a heartbeat.
    """

    def __init__(self, signing: Signing, silence: float = SILENCE) -> None:
        self._signing = signing
        self._silence = silence
        self._session: aiohttp.ClientSession | None = None
        self._running: set[aiohttp.ClientResponse] = set()
        self.latest_fence: Callable[[str], int] = lambda _: 0
        """Returns the largest fence that this node has seen for an account."""

    async def __aenter__(self) -> RelayClient:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT, sock_read=self._silence)
        # this side closes first: else a call could use a connection that the other side is closing
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=15)
        self._session = aiohttp.ClientSession(timeout=limits, connector=connector, auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def abort(self) -> None:
        """Abort all running calls, so that their chats fail."""
        for response in self._running:
            response.close()

    async def chat(
        self,
        node: NodeInfo,
        request: ChatRequest,
        on_place: Callable[[int | None], None] = lambda _: None,
        timeline: Timeline | None = None,
    ) -> AsyncGenerator[ChatEvent]:
        """Yield the events of the chat on that node, and record its progress in `timeline`; see `ChatBackend`."""
        said, files = wire.request_as_json(request)
        head = await asyncio.to_thread(wire.line, {"to": node.id, **said})
        body = head + b"".join(await asyncio.gather(*map(_bytes_of, files)))
        chat = _RemoteChat(self, node, request, on_place, timeline or Timeline(request.id, request.model.id))
        with _losses(node, lambda: chat.is_sent):
            async with self.called(node, "/internal/chat", body) as response:
                await _check(response)
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        event = await chat.take(line)
                        if event is not None:
                            yield event
                        if chat.is_over:
                            return
                raise ConnectionResetError

    async def operate(self, node: NodeInfo, **what: Any) -> dict[str, Any]:
        """Run an operator's action on that node's account; return its result or raise its `BridgeError`."""
        async with self._operated(node, what) as response:
            return await _read(response)

    async def fetch(self, node: NodeInfo, **what: Any) -> Archive:
        """Fetch an archive from that node for an operator; raise its `BridgeError`."""
        async with self._operated(node, what) as response:
            return Archive(response.headers.get(wire.NAME, "archive"), await _whole(response, MOST_ARCHIVE))

    @asynccontextmanager
    async def _operated(self, node: NodeInfo, what: Mapping[str, Any]) -> AsyncGenerator[aiohttp.ClientResponse]:
        limit = aiohttp.ClientTimeout(total=CALL_LIMIT, sock_connect=CONNECT_LIMIT)
        with _losses(node, lambda: False):
            async with self.called(node, "/internal/account", wire.line({"to": node.id, **what}), limit) as response:
                await _check(response)
                yield response

    async def socket(self, node: NodeInfo, path: str, asked: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket to a node, which closes if the node falls silent; raise `NodeLost` or `NotThere`."""
        assert self._session is not None, "enter it first"  # noqa: S101
        with _losses(node, lambda: False, ""):
            url = URL(f"{node.address}{path}").with_query({"to": node.id, **asked})
            headers = self._signing.headers("GET", url.raw_path_qs, b"")
            try:
                return await self._session.ws_connect(
                    url, headers=headers, heartbeat=self._silence, max_msg_size=MOST_MESSAGE
                )
            except aiohttp.WSServerHandshakeError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    raise NotThere(f"The node {node.node} runs another version, which cannot do this.") from error
                raise

    async def ask(self, node: NodeInfo, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return a node's answer to a question; raise its `BridgeError`, or `NodeLost`."""
        limit = aiohttp.ClientTimeout(total=ASK_LIMIT, sock_connect=CONNECT_LIMIT)
        body = await asyncio.to_thread(wire.line, said)
        with _losses(node, lambda: False, ""):
            async with self.called(node, "/internal/ask", body, limit) as response:
                await _check(response)
                return await _read(response)

    @asynccontextmanager
    async def read(self, node: NodeInfo, said: Mapping[str, Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open data of a node; raise its `BridgeError`, or `NodeLost`, even between two pieces."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT, sock_read=ASK_LIMIT)
        async with AsyncExitStack() as stack:
            with _losses(node, lambda: False, ""):
                response = await stack.enter_async_context(self.called(node, "/internal/read", wire.line(said), limit))
                await _check(response)
            yield await stack.enter_async_context(aclosing(_pieces(node, response)))

    @asynccontextmanager
    async def called(
        self, node: NodeInfo, path: str, body: bytes, limit: aiohttp.ClientTimeout | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Make a call; leaving the context before the answer has ended closes the connection."""
        assert self._session is not None, "enter it first"  # noqa: S101
        headers = await off_loop(len(body), self._signing.headers, "POST", path, body)
        options: dict[str, Any] = {} if limit is None else {"timeout": limit}
        response = await self._session.post(f"{node.address}{path}", data=body, headers=headers, **options)
        self._running.add(response)
        try:
            yield response
        finally:
            self._running.discard(response)
            if response.content.at_eof():
                response.release()
            else:
                response.close()


@contextmanager
def _losses(node: NodeInfo, is_sent: Callable[[], bool], safe: str = "; nothing was sent") -> Iterator[None]:
    """Raise transport errors as `NodeLost`; `safe` ends its message if nothing was sent."""
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
        risk = "; the prompt may have been sent, so it is not sent again" if is_sent() else safe
        raise NodeLost(f"The node {node.node} no longer answers{risk}.", sent=is_sent()) from error


class _RemoteChat:
    """The state of a chat on another node; `is_sent` is set from the moment its prompt may have been sent."""

    def __init__(
        self,
        client: RelayClient,
        node: NodeInfo,
        request: ChatRequest,
        on_place: Callable[[int | None], None],
        timeline: Timeline,
    ) -> None:
        self._timeline = timeline
        self.is_sent = self.is_over = False
        self._client = client
        self._node = node
        self._request = request
        self._on_place = on_place
        self._answer: list[str] = []

    async def take(self, line: Mapping[str, Any]) -> ChatEvent | None:
        """Process a line; return the event in it, or raise the error in it."""
        if "event" in line:
            return await self._event(wire.event_of(line))
        if "error" in line:
            error = wire.error_of(line["error"])
            if not error.sent:
                self._timeline.forget("sent")
            raise error
        if "account" in line:
            self._timeline.account = str(line["account"])
            self._timeline.mark("started")
        if "ask" in line:
            await self._let_go(str(line.get("account")), line.get("fence"))
        if "place" in line:
            if not isinstance(place := line["place"], int | None):
                raise ValueError("not a place in a queue")
            self._on_place(place)
        self.is_over = "end" in line
        return None

    async def _let_go(self, account: str, fence: object) -> None:
        """Allow the prompt to be sent under that fence; raise a `BridgeError` if it must not, and was not, sent."""
        if isinstance(fence, int) and fence < self._client.latest_fence(account):
            raise LeaseLost(f"The account {account} has just moved to another node.")
        self.is_sent = True  # before the call: its answer may be lost
        self._timeline.mark("sent")
        said = wire.line({"chat": self._request.id, "fence": fence})
        async with self._client.called(self._node, "/internal/go", said) as response:
            if response.status != HTTPStatus.OK:
                raise NodeLost(f"The node {self._node.node} did not wait for this one.")

    async def _event(self, event: ChatEvent) -> ChatEvent:
        match event:
            case Text(text):
                self._answer.append(text)
            case Rewritten(text):
                self._answer = [text]
            case Finish() if self._request.returned is not str:
                answer = "".join(self._answer)
                text = await off_loop(len(answer), self._request.returned, answer)
                body = await off_loop(len(text), wire.line, {"chat": self._request.id, "text": text})
                async with self._client.called(self._node, "/internal/returned", body):
                    pass
        return event


async def _bytes_of(file: Attachment) -> bytes:
    return file.data if file.path is None else await asyncio.to_thread(file.path.read_bytes)


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise the error in a response, if it is not OK."""
    if response.status != HTTPStatus.OK:
        said = await _read(response)
        if "error" not in said:
            raise ValueError("not an answer of a node")
        raise wire.error_of(said["error"])


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Return the JSON object in a response; raise a `ValueError` if there is none."""
    said = await asyncio.to_thread(json.loads, await _whole(response, MOST))
    if not isinstance(said, dict):
        raise ValueError("not an answer of a node")
    return said


async def _whole(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body of a response; raise a `ValueError` if it has more bytes than `most`."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > most:
            raise ValueError("the answer is too long")
    return bytes(data)


async def _pieces(node: NodeInfo, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Yield a response's bytes as they arrive; exceptions of the reader are not taken for the node's."""
    with _losses(node, lambda: False, ""):
        async for piece in response.content.iter_any():
            yield piece


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any]]:
    """Yield the JSON objects of a response's lines; skip heartbeats."""
    rest = bytearray()
    async for data in response.content.iter_any():
        first, *others = data.split(b"\n")  # splitting `rest` as well would copy it for every piece
        rest += first
        if len(rest) > MOST:
            raise ValueError("a line is too long")
        if not others:
            continue
        whole, rest = [bytes(rest), *others[:-1]], bytearray(others[-1])
        for one in whole:
            if one:
                said = await off_loop(len(one), json.loads, one)
                if isinstance(said, dict):
                    yield said
