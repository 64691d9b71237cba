"""The contract of a chat API: a `Surface` reads requests and writes answers, an `Encoder` writes one stream.

Both are pure: no I/O except in `recall`, `settled` and `detach`, no clock except for `created`, no state that outlives
one answer. Status codes, headers, keep-alives and their order are in `chat_endpoint`; what the surfaces of one API
share is in their `Dialect`.
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
"""A dialect's own options of a request."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call of a surface; everything except `id` and `model` is untrusted."""

    body: object
    """The decoded JSON."""
    id: str
    """The id of the chat."""
    model: Callable[[str], Model]
    """Returns the model for a name, or raises `UnknownModel`."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The path's parameters, by their names in `Surface.path`."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers, with case-insensitive names."""


@dataclass(frozen=True, slots=True)
class ParsedRequest(Generic[D]):
    """A parsed request: the chat, and the form of its answer."""

    chat: ChatRequest
    model: str
    """The model's name as the client wrote it; `chat.model` is the model that it stands for."""
    dialect: D
    """Options that only the surface uses, to write the answer."""
    stream: bool = False
    format: AnswerFormat = field(default_factory=AnswerFormat)
    choices: int = 1
    """The number of answers."""
    ends_at_once: EndReason | None = None
    """The end reason of an empty answer, for a request that needs no answer; then nothing is sent to the site."""
    ignored: tuple[str, ...] = ()
    """Names of fields that were ignored, for the header `x-bridge-ignored`."""
    created: int = field(default_factory=lambda: int(time.time()))
    """Unix time."""


@dataclass(frozen=True, slots=True)
class Immediate:
    """The answer to a request that needs no chat."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenQuestion:
    """A request for the number of tokens in a chat's messages, without a chat."""

    chat: ChatRequest
    answer: Callable[[int], Mapping[str, Any]]
    """Returns the body for a number of tokens."""


Run = Callable[[EmitChoice], Awaitable[None]]
"""Runs the chats of a request, and passes their events on; see `AnswerRunner.run`."""


@dataclass(frozen=True, slots=True)
class Detached:
    """The answer to a request whose chat runs on without its client."""

    body: Mapping[str, Any]
    """The immediate body for a client without a stream."""
    frames: AsyncIterator[bytes]
    """The frames for a client with a stream; closing it does not end the chat."""


class Encoder(Protocol):
    """An encoder of one stream.

    The events of each choice come in order, `Opened` first and `AnswerEnd` last, one choice after another. After the
    `AnswerEnd` of the last choice or after `fail` it is not called again.
    """

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return whole frames for an event of the answer numbered `choice`; empty if the event has none."""
        ...

    def fail(self, failure: Failure) -> bytes:
        """Return the frames that end the stream early, after its status was sent."""
        ...


class Surface(ABC, Generic[D]):
    """One chat path of an API; one instance serves all requests, and `parse` is called from several threads."""

    path: ClassVar[str]
    """The path; it begins with `/v1` if that is part of the clients' base URL.

    Parameters are in braces as in aiohttp's router.
    """
    dialect: ClassVar[str]
    """The name of the API in metrics and traces: the name of the dialect's package."""
    methods: ClassVar[tuple[str, ...]] = ("POST",)
    summary: ClassVar[str]
    """The summary in the OpenAPI document: one line without a full stop."""
    body: ClassVar[type[BaseModel]]
    """The model of the body, for the OpenAPI document."""
    is_untyped: ClassVar[bool] = False
    """Whether the body may come without its content type."""
    stream_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    """The content type of streams; empty without streams."""
    keep_alive: ClassVar[bytes] = b": keep-alive\n\n"
    """The frame that is sent during silence, which clients must skip; empty without one."""

    @abstractmethod
    def parse(self, call: ApiCall) -> ParsedRequest[D] | Immediate | TokenQuestion:
        """Parse a request; raise a `RequestError` whose `param` names the bad field.

        The body is untrusted, so the work must be linear in its size.
        """

    async def recall(self, request: ParsedRequest[D], owner: str | None) -> ParsedRequest[D]:
        """Return the request completed from the client's stored earlier ones; by default unchanged.

        `owner` is the id of the client's key; None if nothing may be stored for this client.
        """
        return request

    async def settled(self) -> None:
        """Wait until further requests can build on the written answers; awaited before their end is sent."""
        return

    def framing(self, request: ParsedRequest[D]) -> tuple[str, bytes]:
        """Return content type and keep-alive of one stream; override if they depend on the request."""
        return self.stream_type, self.keep_alive

    def detach(self, request: ParsedRequest[D], run: Run) -> Detached | None:
        """Start a chat that outlives the request; return None, the default, if it ends with its client."""
        return None

    @abstractmethod
    def encoder(self, request: ParsedRequest[D]) -> Encoder:
        """Return a new encoder for one stream."""

    @abstractmethod
    def reply(self, request: ParsedRequest[D], answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the body for complete answers, given as the events of each choice, `AnswerEnd` last."""
