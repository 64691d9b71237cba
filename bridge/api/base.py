"""The one place where a chat meets HTTP; what is particular to an API's dialect is a `Surface`, without I/O.

The headers wait for the answer's first event. Until then a failure is an ordinary HTTP error with a status of
its own, even of a stream; after it, an error frame ends the stream. An answer without any text is a failure.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Protocol
from uuid import uuid4

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from loguru import logger

from bridge.chat import ChatBackend, ChatEvent, ChatRequest, Finish, Model, Text, Withdrawn
from bridge.errors import (
    AuthenticationError,
    BridgeError,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAccount,
    RequestError,
    SetupError,
    SiteChanged,
    SiteError,
)
from bridge.sse import encode_sse

KEEP_ALIVE = b": keep-alive\n\n"
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
LONGEST_RETRY = 120
"""Seconds; the SDKs do not honour a longer `Retry-After`."""
STALLED = 60.0
"""Seconds that a client may leave a full connection unread before it counts as gone."""
HOPELESS = (RequestError, LoginRequired, HumanNeeded, Muted, SiteChanged, SetupError)
"""Failures that the same request meets again until a human has done something."""
NO_RETRY = {"x-should-retry": "false"}
HTTP_FAILURES = {
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take that method."),
}

REQUEST_ID = web.RequestKey("request_id", str)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asked for: the chat, and in which form it wants the answer."""

    chat: ChatRequest
    stream: bool = False
    usage: bool = False
    """Whether a stream ends with the usage."""
    ignored: tuple[str, ...] = ()
    """Names of fields that were accepted without effect."""
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told of an error."""

    status: int
    code: str
    kind: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Encoder(Protocol):
    """Turns the events of one answer into the bytes of its stream."""

    def encode(self, event: ChatEvent) -> bytes:
        """Return the frames that `event` becomes; no bytes where it becomes none."""
        ...


class Surface(ABC):
    """One dialect of a chat API: bodies in, bodies and frames out, all of it pure."""

    path: ClassVar[str]
    methods: ClassVar[tuple[str, ...]] = ("POST",)
    error_event: ClassVar[str | None] = None
    """The `event:` of an error frame, where the dialect has one."""

    @abstractmethod
    def parse(self, body: object, id: str, model: Callable[[str], Model]) -> Ask:  # noqa: A002
        """Return what the decoded JSON `body` asks for; raise a `RequestError` that names the bad field."""

    @abstractmethod
    def encoder(self, ask: Ask) -> Encoder:
        """Return a fresh encoder for one stream."""

    @abstractmethod
    def reply(self, ask: Ask, events: Sequence[ChatEvent]) -> dict[str, Any]:
        """Return the body of a complete answer."""

    @abstractmethod
    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the body, or the data of the frame, that tells of a failure."""


class ChatEndpoint:
    """The handler that joins a surface and a backend."""

    def __init__(self, surface: Surface, backend: ChatBackend, keep_alive: float) -> None:
        self.surface = surface
        self._backend = backend
        self._keep_alive = keep_alive

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        ask = self.surface.parse(await _json(request), request[REQUEST_ID], self._backend.model)
        headers = {"x-bridge-ignored": ", ".join(ask.ignored)} if ask.ignored else {}
        async with aclosing(_complete(self._backend.chat(ask.chat))) as events:
            if ask.stream:
                first = await anext(events)
                stream = _Stream(request, headers)
                await self._stream(stream, ask, first, events)
                return stream.response
            body = self.surface.reply(ask, [event async for event in events])
            return web.Response(body=dump(body), content_type="application/json", headers=headers)

    async def _stream(self, stream: _Stream, ask: Ask, first: ChatEvent, events: AsyncIterator[ChatEvent]) -> None:
        encoder = self.surface.encoder(ask)
        await stream.open(encoder.encode(first))
        async with asyncio.TaskGroup() as tasks:
            heart = tasks.create_task(stream.keep_alive(self._keep_alive))
            try:
                async for event in events:
                    if frames := encoder.encode(event):
                        await stream.write(frames)
            except Exception as error:  # noqa: BLE001 - the edge: the status is out, only a frame can tell of it
                failure = self.surface.error(failure_of(error, stream.id))
                await stream.write(encode_sse(dump(failure), self.surface.error_event))
            heart.cancel()


class _Stream:
    """An open event stream: writes frames at once, and a comment after a silence."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        self.id = request[REQUEST_ID]
        self.response = web.StreamResponse(headers={**STREAM_HEADERS, **headers})
        self._request = request
        self._clock = asyncio.get_running_loop().time
        self._written = self._clock()

    async def open(self, frames: bytes) -> None:
        """Send the headers and the first frames."""
        await self.response.prepare(self._request)
        await self.write(frames)

    async def write(self, frames: bytes) -> None:
        """Send whole frames; a client that is gone, or does not read, cancels the request."""
        self._written = self._clock()
        try:
            async with asyncio.timeout(STALLED):
                await self.response.write(frames)
        except (ConnectionError, TimeoutError) as error:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise asyncio.CancelledError("the client is gone") from error

    async def keep_alive(self, every: float) -> None:
        """Write a comment whenever nothing was written for `every` seconds."""
        while True:
            silence = self._clock() - self._written
            if silence >= every:
                await self.write(KEEP_ALIVE)
            else:
                await asyncio.sleep(every - silence)


def failures(surfaces: Mapping[str, Surface], default: Surface) -> Middleware:
    """Return the outermost middleware: every failure becomes a body in the dialect of the path that met it."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = str(uuid4())
        try:
            return await handler(request)
        except Exception as error:  # the outermost edge: nothing else stands above it
            if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
                raise
            failure = failure_of(error, request[REQUEST_ID])
            body = surfaces.get(request.path.rstrip("/"), default).error(failure)
            return web.Response(
                status=failure.status, body=dump(body), content_type="application/json", headers=failure.headers
            )

    return told


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Put the request's id on the response, whatever kind of response it is."""
    if REQUEST_ID in request:
        response.headers["x-request-id"] = request[REQUEST_ID]


def failure_of(error: Exception, request_id: str) -> Failure:
    """Return what the client is told of `error`; an unexpected one is logged, and only its id is told."""
    if isinstance(error, BridgeError):
        return Failure(error.status, error.code, error.kind, error.message, error.param, _headers_of(error))
    if isinstance(error, web.HTTPException):
        return _http_failure(error)
    _log(error, request_id)
    message = f"The bridge failed unexpectedly; its log tells more under {request_id}."
    return Failure(500, BridgeError.code, BridgeError.kind, message, headers=NO_RETRY)


def dump(body: object) -> bytes:
    """Return `body` as JSON, whatever the text in it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


async def _complete(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
    """Yield the events up to `Finish`; raise where the answer would end early or without a word."""
    said = False
    async with aclosing(events):
        async for event in events:
            said = said or (isinstance(event, Text | Withdrawn) and bool(event.text.strip()))
            if not isinstance(event, Finish):
                yield event
                continue
            if not said and event.reason != "content_filter":
                raise SiteError("The site ended its answer without any text.", sent=True)
            yield event
            await _let_end(events)
            return
    raise SiteError("The answer broke off before its end.", sent=True)


async def _let_end(events: AsyncIterator[ChatEvent]) -> None:
    """Let the backend put things away: the client has its answer, so that no failure here is its concern."""
    try:
        async for _ in events:
            pass
    except Exception as error:  # noqa: BLE001 - the edge: nobody is left to be told
        _log(error, "after the end of an answer")


async def _json(request: web.Request) -> object:
    """Return the decoded body; half of a surrogate pair, which no text can carry on, becomes U+FFFD."""
    raw = await request.read()
    try:
        body = json.loads(raw)
        if b"\\ud" in raw.lower():
            text = json.dumps(body, ensure_ascii=False)
            body = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except json.JSONDecodeError as error:
        raise RequestError(f"The body is not JSON: {error.msg}, line {error.lineno} column {error.colno}.") from None
    except (ValueError, RecursionError):
        raise RequestError("The body is not JSON in UTF-8, or is nested too deeply.") from None
    return body


def _http_failure(error: web.HTTPException) -> Failure:
    code, message = HTTP_FAILURES.get(error.status, ("http_error", error.text or error.reason))
    headers = dict(NO_RETRY)
    if hdrs.ALLOW in error.headers:
        headers["allow"] = error.headers[hdrs.ALLOW]
    return Failure(error.status, code, RequestError.kind, message, headers=headers)


def _headers_of(error: BridgeError) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(min(max(error.retry_after, 1), LONGEST_RETRY)))
    if not _may_help(error):
        headers.update(NO_RETRY)
    if isinstance(error, AuthenticationError):
        headers["www-authenticate"] = "Bearer"
    return headers


def _may_help(error: BridgeError) -> bool:
    """Return whether the same request, sent again soon, could fare better and do no harm."""
    if error.sent or isinstance(error, HOPELESS):
        return False
    if error.retry_after is None:
        return not isinstance(error, NoAccount)
    return error.retry_after <= LONGEST_RETRY


def _log(error: Exception, where: str) -> None:
    """Log where `error` came from, without its message: that could hold text of a chat."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Unexpected {} ({})\n{}", type(error).__qualname__, where, frames)
