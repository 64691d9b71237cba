"""The surfaces below `/v1/responses`; `responses_body` reads the requests, `responses_writer` writes the responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, StrictStr

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.answer.presenter import PresentationStyle
from bridge.api.body_fields import validated
from bridge.api.http_errors import Failure, dump
from bridge.api.request_model import Lenient
from bridge.api.responses.responses_body import ResponseBody, ResponseRequest, ResponsesRequest, read
from bridge.api.responses.responses_compaction import PROMPT
from bridge.api.responses.responses_input import as_items
from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_writer import ResponseWriter, write_whole
from bridge.api.surface import ApiCall, Detached, Encoder, Run, Surface, TokenQuestion
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.sse import encode_sse


class ResponsesSurface(Surface[ResponseRequest]):
    """The surface for responses, whole or as events."""

    dialect = "responses"
    path = "/v1/responses"
    summary = "Create a response, whole or as a stream of events"
    body: ClassVar[type[BaseModel]] = ResponseBody

    def __init__(self, settings: ApiSettings, kept: KeptResponses | None = None) -> None:
        self._settings = settings
        self._kept = kept or KeptResponses(None)

    def detach(self, request: ResponsesRequest, run: Run) -> Detached | None:
        """Start a response in the background if the request asks for it."""
        if not request.dialect.echo["background"]:
            return None
        running = self._kept.start(request, self.writer(request), run)
        return Detached(running.response, as_frames(running.log.follow()))

    def parse(self, call: ApiCall) -> ResponsesRequest:
        """Return the parsed body."""
        return read(call, self._settings)

    async def recall(self, request: ResponsesRequest, owner: str | None) -> ResponsesRequest:
        """Add the earlier items to the input, and the function that stores the response."""
        return await self._kept.recall(request, owner, self._settings)

    async def settled(self) -> None:
        """Wait until other nodes have stored the complete answers."""
        await self._kept.conversations.settled()

    def encoder(self, request: ResponsesRequest) -> Encoder:
        """Return the encoder of the stream."""
        return EventEncoder(self.writer(request))

    def writer(self, request: ResponsesRequest) -> ResponseWriter:
        """Return the writer of the response."""
        return ResponseWriter(request, self._style(request))

    def reply(self, request: ResponsesRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the response object."""
        return write_whole(request, self._style(request), answers[0])

    def _style(self, request: ResponsesRequest) -> PresentationStyle:
        return PresentationStyle.of(request.chat.model, request.format, self._settings.citations)


class InputTokens(ResponsesSurface):
    """The surface that counts the tokens of a request for a response."""

    path = "/v1/responses/input_tokens"
    summary = "Count the tokens of an input"
    stream_type = ""

    def parse(self, call: ApiCall) -> TokenQuestion:  # type: ignore[override]
        """Return the chat whose tokens to count."""
        chat = super().parse(call)
        for name, given in (
            ("previous_response_id", chat.dialect.previous),
            ("conversation", chat.dialect.conversation),
        ):
            if given is not None:
                raise RequestError("Only the tokens in the request itself can be counted.", param=name)
        return TokenQuestion(chat.chat, lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens})


class CompactBody(Lenient):
    """A history to compact."""

    model: StrictStr
    input: StrictStr | list[Any] | None = None
    instructions: StrictStr | None = None
    previous_response_id: StrictStr | None = None


class CompactSurface(ResponsesSurface):
    """The surface for compaction: the model summarizes a history in one item, which the client sends instead."""

    path = "/v1/responses/compact"
    summary = "Compact a history into one item"
    stream_type = ""
    body: ClassVar[type[BaseModel]] = CompactBody

    def parse(self, call: ApiCall) -> ResponsesRequest:
        """Return the chat that asks for a summary."""
        asked = validated(CompactBody, call.body)
        if not asked.input and not asked.previous_response_id:
            raise RequestError("Send the history as input, or name a response.", param="input")
        items = [*as_items(asked.input), {"type": "message", "role": "user", "content": PROMPT}]
        given = asked.model_dump(include={"model", "instructions", "previous_response_id"}, exclude_none=True)
        return super().parse(replace(call, body={**given, "input": items, "store": False}))

    async def recall(self, request: ResponsesRequest, owner: str | None) -> ResponsesRequest:
        """Add the earlier items to the input; refuse a client without a key before the model is asked."""
        self._kept.check_compacts(owner)
        return await super().recall(request, owner)

    def reply(self, request: ResponsesRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the item that replaces the history."""
        made = super().reply(request, answers)
        said = [message.text for message in request.chat.messages[:-1] if message.role == "user"]
        return {
            "id": made["id"],
            "object": "response.compaction",
            "created_at": made["created_at"],
            "output": [self._kept.compact(request.dialect.owner, said, _text_of(made))],
            "usage": made["usage"],
        }


class EventEncoder:
    """Writes the events of a response as server-sent events, named by their type."""

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the frames of `event`; there is only one choice."""
        return b"".join(map(as_frame, self._writer.take(event)))

    def fail(self, failure: Failure) -> bytes:
        """Return the frames that end the stream early."""
        return b"".join(map(as_frame, self._writer.fail(failure)))


def as_frame(event: Event) -> bytes:
    """Return an event of a response as a frame."""
    return encode_sse(dump(event), event["type"])


async def as_frames(batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[bytes]:
    """Yield events of a response as frames."""
    async for events in batches:
        yield b"".join(map(as_frame, events))


def _text_of(response: dict[str, Any]) -> str:
    parts = (part for item in response["output"] if item["type"] == "message" for part in item["content"])
    return "".join(part["text"] for part in parts)
