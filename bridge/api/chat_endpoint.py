"""Answers chats over HTTP, in this one place for all dialects; a dialect's specifics are in its `Surface`.

The headers wait for the answer's first event. Until then a failure is an ordinary HTTP error with its own status, even
for a stream; after it, an error frame ends the stream. A stream's headers wait at most `server.headers_after`, because
proxies close silent connections. An answer without any text is a failure.

A response ends with its answer. The handler ends later, when the account is free again, so that the next request on the
same connection finds it free.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Generic, TypeVar

from aiohttp import web

from bridge.api.access.client_address import peer_of
from bridge.api.access.guard import TOKENS, owner_of
from bridge.api.access.key_policy import KeyPolicy, deadline_of
from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.answer_runner import AnswerRunner, EmitChoice, record_nothing
from bridge.api.attachments.gather import Gatherer
from bridge.api.http_errors import REQUEST_ID, dump, failure_of
from bridge.api.model_lookup import ModelLookup
from bridge.api.request_body import BodyReader, parse_body
from bridge.api.stream_writer import StreamWriter, send_whole
from bridge.api.surface import ApiCall, Detached, Encoder, Immediate, ParsedRequest, Surface, TokenQuestion
from bridge.background import off_loop
from bridge.chat.tokens.usage import Usage, count_messages
from bridge.chat.types import ChatBackend, ChatRequest, Opened
from bridge.errors import RequestError
from bridge.settings import ServerSettings
from bridge.storage.chat_history import ChatHistory
from bridge.tasks import log_unexpected

CHAT = web.RequestKey("chat", ChatRequest)
IGNORED = "x-bridge-ignored"
CONVERSATION = "x-bridge-conversation"
EVENTS = (b":", b"event:")
"""Prefixes of keep-alives in streams whose clients skip comments."""
TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
PLACE = "x-bridge-queue-position"
"""The header with the chat's place in the queue on arrival, or when its headers were sent; 0: an account was free."""
D = TypeVar("D")


class ChatEndpoint(Generic[D]):
    """The handler that joins a surface and a backend."""

    def __init__(
        self,
        surface: Surface[D],
        backend: ChatBackend,
        server: ServerSettings,
        bodies: BodyReader,
        gatherer: Gatherer,
        models: ModelLookup,
        history: ChatHistory | None = None,
        policy: KeyPolicy | None = None,
    ) -> None:
        self.surface = surface
        self._bodies = bodies
        self._policy = policy or KeyPolicy()
        self._runner = AnswerRunner(
            backend, record_nothing if history is None else history.record, self._policy.limiter.counted
        )
        self._gatherer = gatherer
        self._server = server
        self._models = models

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        parsed = await self._bodies.read(request, partial(self._parse, request, request[REQUEST_ID]))
        if isinstance(parsed, Immediate):
            return web.Response(body=dump(parsed.body), content_type="application/json")
        if isinstance(parsed, TokenQuestion):
            tokens = await count_messages(parsed.chat.messages, parsed.chat.model)
            return web.Response(body=dump(parsed.answer(tokens)), content_type="application/json")
        parsed = await self._complete(request, parsed)
        headers = {IGNORED: ", ".join(parsed.ignored)} if parsed.ignored else {}
        if (detached := self.surface.detach(parsed, partial(self.run, parsed))) is not None:
            return await self._detached(request, parsed, detached, headers)
        if parsed.stream:
            return await self._stream(request, parsed, headers)
        return await self._whole(request, parsed, headers)

    async def read_text(self, request: web.Request, id: str, text: str) -> ParsedRequest[D]:  # noqa: A002
        """Parse a message on the WebSocket that `request` opened; `id` becomes the id of the chat."""
        body = text.encode("utf-8", "replace")
        parsed = await off_loop(len(body), parse_body, BytesIO(body), partial(self._parse, request, id))
        if isinstance(parsed, Immediate | TokenQuestion):
            raise RequestError("A WebSocket does not answer this request.")
        return await self._complete(request, parsed)

    async def run(self, parsed: ParsedRequest[D], emit: EmitChoice) -> None:
        """Pass the events of the answer to `emit`; see `AnswerRunner.run`."""
        if parsed.ends_at_once is not None:
            await emit(0, (Opened(), AnswerEnd(parsed.ends_at_once, Usage(0, 0, 0))))
        else:
            await self._runner.run(parsed.chat, parsed.format, parsed.choices, emit)

    async def _complete(self, request: web.Request, parsed: ParsedRequest[D]) -> ParsedRequest[D]:
        """Return the request completed with what is not in its body: earlier items, files, the caller."""
        caller, chat = self._policy.caller_of(request), parsed.chat
        request[CHAT] = chat = replace(
            chat,
            tokens=request.get(TOKENS, ()),
            peer=peer_of(request),
            caller=caller,
            start_within=deadline_of(request),
            dialect=self.surface.dialect,
            trace_parent=trace_parent(request.headers.get("traceparent", "")),
        )
        self._policy.check(caller, chat.model, parsed.choices, self._models.find)
        parsed = await self.surface.recall(replace(parsed, chat=chat), owner_of(request))
        return replace(parsed, chat=await self._gatherer.complete(parsed.chat))

    def _parse(self, request: web.Request, id: str, body: object) -> ParsedRequest[D] | Immediate | TokenQuestion:  # noqa: A002
        path, query, headers = request.match_info, request.query, request.headers
        return self.surface.parse(ApiCall(body, id, self._models.find, path, query, headers))

    async def _whole(
        self, request: web.Request, parsed: ParsedRequest[D], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        answers: list[list[AnswerEvent]] = [[] for _ in range(parsed.choices)]
        response: web.Response | None = None

        async def keep(choice: int, events: Sequence[AnswerEvent]) -> None:
            nonlocal response
            answers[choice] += events
            if all(map(_is_complete, answers)):
                body = dump(self.surface.reply(parsed, answers))
                await self.surface.settled()
                more = {**headers, **_headers_of(answers[0])}
                response = web.Response(body=body, content_type="application/json", headers=more)
                await send_whole(request, response)

        try:
            await self.run(parsed, keep)
        except Exception as error:  # the connection must not get a second response
            if response is None:
                raise
            log_unexpected(error, "after the end of an answer")
        assert response is not None  # noqa: S101 - a run without an error has completed all answers
        return response

    async def _detached(
        self, request: web.Request, parsed: ParsedRequest[D], detached: Detached, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        if not parsed.stream:
            return web.Response(body=dump(detached.body), content_type="application/json", headers=headers)
        stream = StreamWriter(request, *self.surface.framing(parsed), headers)
        return await stream.write_all(detached.frames, self._server)

    async def _stream(
        self, request: web.Request, parsed: ParsedRequest[D], headers: Mapping[str, str]
    ) -> web.StreamResponse:
        encoder, early = self.surface.encoder(parsed), None
        comments = self.surface.keep_alive.startswith(EVENTS)
        stream = StreamWriter(request, *self.surface.framing(parsed), headers)
        async with asyncio.TaskGroup() as tasks:
            heart = tasks.create_task(stream.keep_alive(self._server.headers_after, self._server.keep_alive))
            try:
                await self.run(
                    parsed, _writer(stream, encoder, parsed.choices, self.surface.settled, comments=comments)
                )
            except Exception as error:  # noqa: BLE001 - the edge: after the status only a frame can report an error
                if stream.is_open:
                    failure = replace(failure_of(error, request[REQUEST_ID]), request_id=request[REQUEST_ID])
                    await stream.write(encoder.fail(failure))
                else:
                    early = error
            heart.cancel()
        if early is not None:  # raised outside the group, so that no ExceptionGroup wraps it
            raise early
        return stream.response


def _comments(headers: Mapping[str, str]) -> bytes:
    """Return headers as comments of an event stream."""
    return b"".join(f": {name}: {value}\n\n".encode() for name, value in headers.items())


def _writer(
    stream: StreamWriter, encoder: Encoder, choices: int, settled: Callable[[], Awaitable[None]], *, comments: bool
) -> EmitChoice:
    """Return a function that writes the events of the answers to the stream, and completes it with the last one.

    With `comments`, headers that come too late are written as comments.
    """
    missing = set(range(choices))

    async def write(choice: int, events: Sequence[AnswerEvent]) -> None:
        frames = b"".join([encoder.encode(event, choice) for event in events])
        if _is_complete(events):
            await settled()
        headers = _headers_of(events)
        if not stream.is_open:
            stream.response.headers.update(headers)
        elif comments:  # the headers were already sent
            frames = _comments(headers) + frames
        if frames or not stream.is_open:  # the first event opens the stream, whether or not it has a frame
            await stream.write(frames)
        if _is_complete(events):
            missing.discard(choice)
        if not missing:
            await stream.complete()

    return write


def _is_complete(events: Sequence[AnswerEvent]) -> bool:
    return bool(events) and isinstance(events[-1], AnswerEnd)


def trace_parent(given: str) -> str:
    """Return a client's `traceparent` if it has the W3C form, else an empty text."""
    return given if TRACE_PARENT.fullmatch(given) else ""


def _headers_of(events: Sequence[AnswerEvent]) -> Mapping[str, str]:
    """Return the headers about the start of the answer's conversation and its place in the queue, if known."""
    opened = next((event for event in events if isinstance(event, Opened)), None)
    if opened is None:
        return {}
    headers = {} if opened.place is None else {PLACE: str(opened.place)}
    match opened.start:
        case None:
            return headers
        case "continued" | "new" as start:
            return {**headers, CONVERSATION: start}
        case reason:
            return {**headers, CONVERSATION: f"new; reason={reason}"}
