"""The surface of `/v1/responses`: `responses_body` reads what clients send, `responses_writer` writes what they get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.answer.presenter import PresentationStyle
from bridge.api.http_errors import Failure, dump
from bridge.api.responses.responses_body import ResponseBody, ResponseRequest, ResponsesRequest, read
from bridge.api.responses.responses_items import Event
from bridge.api.responses.responses_kept import KeptResponses
from bridge.api.responses.responses_writer import ResponseWriter, write_whole
from bridge.api.surface import ApiCall, Encoder, Surface, TokenQuestion
from bridge.errors import RequestError
from bridge.settings import ApiSettings
from bridge.sse import encode_sse


class ResponsesSurface(Surface[ResponseRequest]):
    """Responses, whole or as events."""

    path = "/v1/responses"
    summary = "Answer as a response, whole or as a stream of events"
    body: ClassVar[type[BaseModel]] = ResponseBody

    def __init__(self, settings: ApiSettings, kept: KeptResponses | None = None) -> None:
        self._settings = settings
        self._kept = kept or KeptResponses(None)

    def parse(self, call: ApiCall) -> ResponsesRequest:
        """Return what the body asks for."""
        return read(call, self._settings)

    async def recall(self, request: ResponsesRequest, owner: str | None) -> ResponsesRequest:
        """Put what is kept before the input, and see to it that the response is kept."""
        return await self._kept.recall(request, owner, self._settings)

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

    def parse(self, call: ApiCall) -> TokenQuestion:  # type: ignore[override]
        """Return what is to be counted."""
        chat = super().parse(call)
        if chat.dialect.previous is not None:
            raise RequestError("Only what is in the request is counted.", param="previous_response_id")
        return TokenQuestion(chat.chat, lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens})


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
