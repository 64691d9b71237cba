"""The one place where a chat meets HTTP; what is particular to an API's dialect is a `Surface`, without I/O.

The headers wait for the answer's first event. Until then a failure is an ordinary HTTP error with a status of
its own, even of a stream; after it, an error frame ends the stream. A stream's headers wait no longer than a proxy
may bear to hear nothing (`server.headers_after`). An answer without any text is a failure.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Protocol

from aiohttp import web
from loguru import logger

from bridge.api.access.guard import TOKENS, peer_of
from bridge.api.answer.pipeline import AnswerEvent, AnswerFormat, answer
from bridge.api.attachments.gather import Gatherer
from bridge.api.http_errors import REQUEST_ID, Failure, dump, failure_of
from bridge.api.request_body import BodyReader
from bridge.chat.types import ChatBackend, ChatEvent, ChatRequest, Finish, Model, Text, Thinking, Withdrawn
from bridge.errors import BridgeError, SiteError
from bridge.settings import Settings
from bridge.sse import encode_sse
from bridge.storage.chat_history import History
from bridge.storage.file_store import FileStore
from bridge.tasks import log_unexpected

CHAT = web.RequestKey("chat", ChatRequest)
KEEP_ALIVE = b": keep-alive\n\n"
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What a client asked for: the chat, and in which form it wants the answer."""

    chat: ChatRequest
    model: str
    """The model's name as the client wrote it."""
    stream: bool = False
    usage: bool = False
    """Whether a stream ends with the usage."""
    form: AnswerFormat = field(default_factory=AnswerFormat)
    choices: int = 1
    """How many answers are wanted."""
    legacy: bool = False
    """Whether the client knows calls only in their older form."""
    ignored: tuple[str, ...] = ()
    """Names of fields that were accepted without effect."""
    created: int = field(default_factory=lambda: int(time.time()))


class Encoder(Protocol):
    """Turns the events of one answer into the bytes of its stream."""

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the frames that `event` of an answer becomes; no bytes where it becomes none."""
        ...


class Surface(ABC):
    """One dialect of a chat API: bodies in, bodies and frames out, all of it pure."""

    path: ClassVar[str]
    methods: ClassVar[tuple[str, ...]] = ("POST",)
    error_event: ClassVar[str | None] = None
    """The `event:` of an error frame, where the dialect has one."""

    @abstractmethod
    def parse(self, body: object, id: str, model: Callable[[str], Model]) -> ParsedRequest:  # noqa: A002
        """Return what the decoded JSON `body` asks for; raise a `RequestError` that names the bad field."""

    @abstractmethod
    def encoder(self, ask: ParsedRequest) -> Encoder:
        """Return a fresh encoder for one stream."""

    @abstractmethod
    def reply(self, ask: ParsedRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the body of complete answers, one a choice."""

    @abstractmethod
    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the body, or the data of the frame, that tells of a failure."""


class ChatEndpoint:
    """The handler that joins a surface and a backend."""

    def __init__(
        self,
        surface: Surface,
        backend: ChatBackend,
        settings: Settings,
        bodies: BodyReader,
        store: FileStore,
        history: History | None = None,
    ) -> None:
        self.surface = surface
        self._bodies = bodies
        self._backend = backend
        self._history = history
        self._gatherer = Gatherer(store, settings.files)
        self._server = settings.server
        self._aliases = settings.api.aliases

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        ask = await self._bodies.read(request, partial(self._parse, request[REQUEST_ID]))
        chat = await self._gatherer.complete(ask.chat)
        ask = replace(ask, chat=replace(chat, tokens=request.get(TOKENS, ()), peer=peer_of(request)))
        request[CHAT] = ask.chat
        headers = {"x-bridge-ignored": ", ".join(ask.ignored)} if ask.ignored else {}
        async with aclosing(self._answers(ask)) as events:
            if ask.stream:
                stream = _Stream(request, headers)
                await self._stream(stream, ask, events)
                return stream.response
            answers: list[list[AnswerEvent]] = [[] for _ in range(ask.choices)]
            async for choice, event in events:
                answers[choice].append(event)
            body = self.surface.reply(ask, answers)
            return web.Response(body=dump(body), content_type="application/json", headers=headers)

    def _parse(self, id: str, body: object) -> ParsedRequest:  # noqa: A002
        return self.surface.parse(body, id, self._model)

    def _model(self, name: str) -> Model:
        return self._backend.model(unalias(name, self._aliases))

    def _chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        events = self._backend.chat(request)
        return _complete(events if self._history is None else self._history.heard(request, events))

    async def _answers(self, ask: ParsedRequest) -> AsyncGenerator[tuple[int, AnswerEvent]]:
        """Yield the events of each choice; a single one as it arrives, several when all of them are there."""
        if ask.choices == 1:
            async with aclosing(answer(self._chat, ask.chat, ask.form)) as events:
                async for event in events:
                    yield 0, event
            return
        chats = [replace(ask.chat, id=f"{ask.chat.id}-{choice}") for choice in range(ask.choices)]
        for choice, whole in enumerate(await _gathered([answer(self._chat, chat, ask.form) for chat in chats])):
            for event in whole:
                yield choice, event

    async def _stream(
        self, stream: _Stream, ask: ParsedRequest, events: AsyncIterator[tuple[int, AnswerEvent]]
    ) -> None:
        encoder, early = self.surface.encoder(ask), None
        async with asyncio.TaskGroup() as tasks:
            heart = tasks.create_task(stream.keep_alive(self._server.headers_after, self._server.keep_alive))
            try:
                async for choice, event in events:
                    if (frames := encoder.encode(event, choice)) or not stream.is_open:
                        await stream.write(frames)
            except Exception as error:  # noqa: BLE001 - the edge: once the status is out, only a frame can tell of it
                if stream.is_open:
                    failure = self.surface.error(failure_of(error, stream.id))
                    await stream.write(encode_sse(dump(failure), self.surface.error_event))
                else:
                    early = error
            heart.cancel()
        if early is not None:
            raise early


class _Stream:
    """An event stream: writes frames at once, the headers before the first ones, and a comment after a silence."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        self.id = request[REQUEST_ID]
        self.is_open = False
        self._writing = asyncio.Lock()
        self.response = web.StreamResponse(headers={**STREAM_HEADERS, **headers})
        self._request = request
        self._clock = asyncio.get_running_loop().time
        self._written = self._clock()

    async def write(self, frames: bytes) -> None:
        """Send whole frames; a client that is gone cancels the request."""
        self._written = self._clock()
        was_open, self.is_open = self.is_open, True
        try:
            async with self._writing:
                if not was_open:
                    await self.response.prepare(self._request)
                await self.response.write(frames)
        except ConnectionError as error:
            raise asyncio.CancelledError("the client is gone") from error

    async def keep_alive(self, first: float, every: float) -> None:
        """Write a comment where nothing was written for `first` seconds, and then whenever for `every` seconds."""
        while True:
            silence, limit = self._clock() - self._written, every if self.is_open else first
            if silence >= limit:
                await self.write(KEEP_ALIVE)
            else:
                await asyncio.sleep(limit - silence)


def unalias(name: str, aliases: Mapping[str, str]) -> str:
    """Return what a model's name stands for."""
    return next((meant for alias, meant in aliases.items() if alias.lower() == name.lower()), name)


async def _gathered(answers: Sequence[AsyncGenerator[AnswerEvent]]) -> list[list[AnswerEvent]]:
    """Return all events of answers that are given side by side; the first failure ends them all."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_collected(events)) for events in answers]
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return [task.result() for task in running]


async def _collected(events: AsyncGenerator[AnswerEvent]) -> list[AnswerEvent]:
    async with aclosing(events):
        return [event async for event in events]


async def _complete(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
    """Yield the events up to `Finish`; raise where the answer would end early or without a word."""
    said = thought = False
    async with aclosing(events):
        async for event in events:
            said = said or (isinstance(event, Text | Withdrawn) and bool(event.text.strip()))
            thought = thought or (isinstance(event, Thinking) and bool(event.text.strip()))
            if not isinstance(event, Finish):
                yield event
                continue
            is_cut_thought = thought and event.reason == "length"  # it came no further than its thinking
            if not said and not is_cut_thought and event.reason != "content_filter":
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
    except BridgeError as error:
        logger.info("After the end of an answer: {}", error.message)
    except Exception as error:  # noqa: BLE001 - the edge: nobody is left to be told
        log_unexpected(error, "after the end of an answer")
