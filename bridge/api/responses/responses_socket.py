"""`/v1/responses` over a WebSocket: each message requests a response, whose events come back as messages.

One response runs at a time. The last one can be continued even if it is not stored. Failures are events and leave the
socket open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.api_dialect import DialectParts
from bridge.api.chat_endpoint import ChatEndpoint
from bridge.api.http_errors import Failure, dump, error_body, failure_of
from bridge.api.responses.responses_body import ResponseRequest, ResponsesRequest
from bridge.api.responses.responses_input import Item
from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_surface import ResponsesSurface
from bridge.api.responses.responses_writer import ResponseWriter
from bridge.api.route_table import Operation
from bridge.api.surface import ApiCall, ParsedRequest
from bridge.chat.made_ids import new_id
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.tasks import first

CREATE = "response.create"
PING = 20.0
"""Seconds between two pings; a connection without an answer within half of that is closed."""
SEND_LIMIT = 60.0
"""Seconds that sending one event to a client may take."""
MOST_WAITING = 4
"""Most messages that wait for a running response; further ones are not read yet."""


class ResponseSockets:
    """Handler of the WebSockets."""

    def __init__(self, settings: ApiSettings, kept: KeptResponses, parts: DialectParts) -> None:
        self._settings, self._kept, self._parts = settings, kept, parts

    def operation(self) -> Operation:
        """Return the route."""
        return Operation("GET", ResponsesSurface.path, "WebSocket: each message requests a response", self.serve)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until its client closes it."""
        most = self._parts.server.max_body
        socket = web.WebSocketResponse(heartbeat=PING, max_msg_size=most, compress=False)
        if not socket.can_prepare(request):
            raise RequestError("GET opens a WebSocket here; use POST to create a response, or add an id to the path.")
        await socket.prepare(request)
        surface = SocketSurface(self._settings, LastResponse(self._kept))
        waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        mark = self._parts.mark
        conversation = _Conversation(request, socket, surface, self._parts.endpoint(surface), mark)
        is_out = asyncio.Event()
        with suppress(ConnectionError, TimeoutError):  # the client has disconnected or does not read
            await first(_receive(socket, waiting), conversation.answer_all(waiting), self._watch(request, is_out))
        if is_out.is_set():
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"The API key was revoked.")
        else:
            await socket.close()
        return socket

    async def _watch(self, request: web.Request, is_out: asyncio.Event) -> None:
        """Wait until the client's key is revoked, and set `is_out`."""
        await self._parts.until_out(request)
        is_out.set()


class LastResponse(KeptResponses):
    """The stored responses, and the last one of a socket, which may not be stored."""

    def __init__(self, kept: KeptResponses) -> None:
        super().__init__(kept.store, elsewhere=kept.elsewhere)
        self.conversations = kept.conversations
        self._last: tuple[str, list[Item]] | None = None

    async def recall(self, request: ResponsesRequest, owner: str | None, settings: ApiSettings) -> ResponsesRequest:
        """Return the request like `KeptResponses.recall`; its response becomes the last one."""
        if request.dialect.echo["background"]:
            message = "A WebSocket does not support responses in the background; use POST."
            raise RequestError(message, param="background")
        earlier = await self._earlier(request.dialect, owner)
        made = await super().recall(request, owner, settings)
        keep, items = made.dialect.keep, made.dialect.items

        def note(response: dict[str, Any]) -> None:
            self._last = (response["id"], [*earlier, *items, *response["output"]])
            if keep is not None:
                keep(response)

        return replace(made, dialect=replace(made.dialect, keep=note))

    async def _earlier(self, dialect: ResponseRequest, owner: str | None) -> list[Item]:
        if self._last is not None and dialect.previous == self._last[0]:
            return self._last[1]
        return await super()._earlier(dialect, owner)


class SocketSurface(ResponsesSurface):
    """The surface for responses requested by messages."""

    def parse(self, call: ApiCall) -> ResponsesRequest:
        """Return the parsed message; there is only one type."""
        if isinstance(call.body, dict) and call.body.get("type") != CREATE:
            raise RequestError(f"The type of a message must be {CREATE}.", param="type")
        return super().parse(call)


class _Conversation:
    """The messages and events of one socket."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        surface: ResponsesSurface,
        endpoint: ChatEndpoint[ResponseRequest],
        mark: str,
    ) -> None:
        self._mark = mark
        self._request, self._socket, self._surface, self._endpoint = request, socket, surface, endpoint

    async def answer_all(self, waiting: asyncio.Queue[str]) -> None:
        """Answer the messages one after another."""
        while True:
            await self._answer(await waiting.get())

    async def _answer(self, text: str) -> None:
        id_, writer = str(new_id(self._mark)), None
        try:
            parsed = await self._endpoint.read_text(self._request, id_, text)
            writer = self._surface.writer(parsed)
            await self._write(parsed, writer)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: only an event can report an error
            failure = failure_of(error, id_)
            begun = writer is not None and writer.is_begun
            await self._send(writer.fail(failure) if writer is not None and begun else [_refusal(failure)])

    async def _write(self, parsed: ParsedRequest[ResponseRequest], writer: ResponseWriter) -> None:
        async def send(_: int, events: Sequence[AnswerEvent]) -> None:
            for event in events:
                made = writer.take(event)
                await self._surface.settled()
                await self._send(made)

        await self._endpoint.run(parsed, send)

    async def _send(self, events: Sequence[Event]) -> None:
        async with asyncio.timeout(SEND_LIMIT):
            for event in events:
                await self._socket.send_str(dump(event).decode())


async def _receive(socket: web.WebSocketResponse, waiting: asyncio.Queue[str]) -> None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            return
        await waiting.put(message.data)


def _refusal(failure: Failure) -> Event:
    """Return the error event for a message that was refused."""
    error = error_body(failure)["error"]
    flat = {name: error[name] for name in ("code", "message", "param")}
    return {"type": "error", "sequence_number": 0, "status": failure.status, **flat, "error": error}
