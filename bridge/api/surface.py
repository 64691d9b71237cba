"""The contract of one way to chat: a `Surface` reads requests and writes answers, an `Encoder` writes one stream.

Both are pure: no I/O but in `recall`, no clock but for `created`, no state that outlives one answer. Status codes,
headers, keep-alives and the order of things are in `chat_endpoint`; what surfaces of one API have in common is in their
`Dialect`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel

from bridge.api.answer.answer_events import AnswerEvent, EndReason
from bridge.api.answer.answer_format import AnswerFormat
from bridge.api.answer.answer_runner import EmitChoice
from bridge.api.http_errors import Failure
from bridge.chat.types import ChatRequest, Model

D = TypeVar("D")
"""What a dialect keeps of a request for itself."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of a surface, as far as a dialect looks at it; all of it but `id` and `model` is a client's text."""

    body: object
    """The decoded JSON."""
    id: str
    """Becomes that of the chat."""
    model: Callable[[str], Model]
    """Returns what a model's name stands for, or raises `UnknownModel`."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The parameters that stand in the path, by their names in `Surface.path`."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers; their names are found in any case."""


@dataclass(frozen=True, slots=True)
class ParsedRequest(Generic[D]):
    """What a client asked for: the chat, and how it wants the answer."""

    chat: ChatRequest
    model: str
    """The model's name as the client wrote it; `chat.model` is what it stands for."""
    dialect: D
    """What the surface needs to write the answer and nobody else looks at."""
    stream: bool = False
    format: AnswerFormat = field(default_factory=AnswerFormat)
    choices: int = 1
    """How many answers are wanted."""
    ends_at_once: EndReason | None = None
    """How the answer ends where the client wants none yet: then it is empty, and nothing is sent to the site."""
    ignored: tuple[str, ...] = ()
    """Names of fields that were accepted without effect; the client gets them in `x-bridge-ignored`."""
    created: int = field(default_factory=lambda: int(time.time()))
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Immediate:
    """The answer to a request for which there is nothing to ask the site."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenQuestion:
    """A request for the number of tokens that a chat's messages have; nothing is asked of the site."""

    chat: ChatRequest
    answer: Callable[[int], Mapping[str, Any]]
    """Returns the body that tells the number."""


Run = Callable[[EmitChoice], Awaitable[None]]
"""Runs the chats of a request, and hands their events on; see `AnswerRunner.run`."""


@dataclass(frozen=True, slots=True)
class Detached:
    """The answer of a request whose chat runs on without its client."""

    body: Mapping[str, Any]
    """What a client gets at once that wants no stream."""
    frames: AsyncIterator[bytes]
    """The stream of one that does; leaving it ends nothing."""


class Encoder(Protocol):
    """Writes the stream of one request.

    The events of each choice come in their order, `Opened` first and `AnswerEnd` last, one choice behind the other.
    After the `AnswerEnd` of the last choice, or after `fail`, nothing is asked of it any more.
    """

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return whole frames for an event of the answer numbered `choice`; no bytes where it becomes none."""
        ...

    def fail(self, failure: Failure) -> bytes:
        """Return the frames that end the stream early, where its status is out already."""
        ...


class Surface(ABC, Generic[D]):
    """One dialect of a chat API; one object serves all requests, and `parse` is called from several threads."""

    path: ClassVar[str]
    """The path that is served, beginning with `/v1` if its clients write that into their base URL.

    Parameters stand in braces, as aiohttp's router takes them.
    """
    dialect: ClassVar[str]
    """The name of the API in metrics and traces: that of the dialect's folder."""
    methods: ClassVar[tuple[str, ...]] = ("POST",)
    summary: ClassVar[str]
    """What the OpenAPI document says of it: one line without its full stop."""
    body: ClassVar[type[BaseModel]]
    """The model of the body that `parse` takes, for the OpenAPI document."""
    is_untyped: ClassVar[bool] = False
    """Whether the body may come without its content type."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    """The content type of streams; empty where there are none."""
    keep_alive: ClassVar[bytes] = b": keep-alive\n\n"
    """The frame that is sent into a silence; clients must skip it. Empty where there is no such frame."""

    @abstractmethod
    def parse(self, call: ApiCall) -> ParsedRequest[D] | Immediate | TokenQuestion:
        """Return what is asked for; raise a `RequestError` whose `param` names the bad field.

        The body is a client's text: whatever is done with it is linear in its size.
        """

    async def recall(self, request: ParsedRequest[D], owner: str | None) -> ParsedRequest[D]:
        """Return the request with what is kept of its sender's earlier ones; by default nothing is.

        `owner` is the id of the sender's key; None where nothing may be kept for this sender.
        """
        return request

    async def settled(self) -> None:
        """Return once a further request may build on the answers that are written; awaited before their end is sent."""
        return

    def framing(self, request: ParsedRequest[D]) -> tuple[str, bytes]:
        """Return content type and keep-alive of one stream, where they depend on the request."""
        return self.stream_type, self.keep_alive

    def detach(self, request: ParsedRequest[D], run: Run) -> Detached | None:
        """Begin a chat that shall outlive the request; None, as by default, where it ends with its client."""
        return None

    @abstractmethod
    def encoder(self, request: ParsedRequest[D]) -> Encoder:
        """Return a fresh encoder for one stream."""

    @abstractmethod
    def reply(self, request: ParsedRequest[D], answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the body of complete answers: the events of each choice, `AnswerEnd` last."""
