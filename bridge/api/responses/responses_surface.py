"""The surface of `/v1/responses`: `responses_body` reads what clients send, `responses_writer` writes what they get."""

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
    """Responses, whole or as events."""

    dialect = "responses"
    path = "/v1/responses"
    summary = "Answer as a response, whole or as a stream of events"
    body: ClassVar[type[BaseModel]] = ResponseBody

    def __init__(self, settings: ApiSettings, kept: KeptResponses | None = None) -> None:
        self._settings = settings
        self._kept = kept or KeptResponses(None)

    def detach(self, request: ResponsesRequest, run: Run) -> Detached | None:
        """Begin a response in the background, where that is asked for."""
        if not request.dialect.echo["background"]:
            return None
        running = self._kept.start(request, self.writer(request), run)
        return Detached(running.response, as_frames(running.log.follow()))

    def parse(self, call: ApiCall) -> ResponsesRequest:
        """Return what the body asks for."""
        return read(call, self._settings)

    async def recall(self, request: ResponsesRequest, owner: str | None) -> ResponsesRequest:
        """Put what is kept before the input, and see to it that the response is kept."""
        return await self._kept.recall(request, owner, self._settings)

    async def settled(self) -> None:
        """Return once other nodes know what they keep of answers that are complete."""
        await self._kept.conversations.settled()

    def encoder(self, request: ResponsesRequest) -> Encoder:
        """Return an encoder of events."""
        return EventEncoder(self.writer(request))

    def writer(self, request: ResponsesRequest) -> ResponseWriter:
        """Return what writes the response."""
        return ResponseWriter(request, self._style(request))

    def reply(self, request: ResponsesRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the response."""
        return write_whole(request, self._style(request), answers[0])

    def _style(self, request: ResponsesRequest) -> PresentationStyle:
        return PresentationStyle.of(request.chat.model, request.format, self._settings.citations)


class InputTokens(ResponsesSurface):
    """The number of tokens of what a request for a response would send."""

    path = "/v1/responses/input_tokens"
    summary = "Count the tokens of an input"
    stream_type = ""

    def parse(self, call: ApiCall) -> TokenQuestion:  # type: ignore[override]
        """Return what is to be counted."""
        chat = super().parse(call)
        for name, given in (
            ("previous_response_id", chat.dialect.previous),
            ("conversation", chat.dialect.conversation),
        ):
            if given is not None:
                raise RequestError("Only what is in the request is counted.", param=name)
        return TokenQuestion(chat.chat, lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens})


class CompactBody(Lenient):
    """A history to make short."""

    model: StrictStr
    input: StrictStr | list[Any] | None = None
    instructions: StrictStr | None = None
    previous_response_id: StrictStr | None = None


class CompactSurface(ResponsesSurface):
    """A history made short by the model: one item stands for it, which the client sends in its place."""

    path = "/v1/responses/compact"
    summary = "Make a history short"
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
        """Put what is kept before the input; refuse a sender for whom nothing is sealed, before the model is asked."""
        self._kept.check_compacts(owner)
        return await super().recall(request, owner)

    def reply(self, request: ResponsesRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the item that stands for the history."""
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
    """Writes the events of a response as server-sent ones, each with its type as its name."""

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the events that `event` becomes; there is only one choice."""
        return b"".join(map(as_frame, self._writer.take(event)))

    def fail(self, failure: Failure) -> bytes:
        """Return the events that end the stream early."""
        return b"".join(map(as_frame, self._writer.fail(failure)))


def as_frame(event: Event) -> bytes:
    """Return an event of a response as a server-sent one."""
    return encode_sse(dump(event), event["type"])


async def as_frames(batches: AsyncIterator[Sequence[Event]]) -> AsyncIterator[bytes]:
    """Yield events of a response as server-sent ones."""
    async for events in batches:
        yield b"".join(map(as_frame, events))


def _text_of(response: dict[str, Any]) -> str:
    parts = (part for item in response["output"] if item["type"] == "message" for part in item["content"])
    return "".join(part["text"] for part in parts)
