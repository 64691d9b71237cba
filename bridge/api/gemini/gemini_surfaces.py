"""The surfaces of Gemini's dialect, whose paths name the model and tell whether the answer is a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from bridge.api.answer.answer_events import AnswerEvent
from bridge.api.answer.presenter import PresentationStyle
from bridge.api.body_fields import validated
from bridge.api.gemini.gemini_answer import GeminiEncoder, whole_answer
from bridge.api.gemini.gemini_fields import with_snake_case
from bridge.api.gemini.gemini_request import GeminiBody, GeminiDetails, GeminiRequest, read_gemini
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, Encoder, Surface, TokenQuestion
from bridge.errors import RequestError
from bridge.settings import ApiSettings


class GenerateContent(Surface[GeminiDetails]):
    """The surface for whole answers."""

    dialect = "gemini"
    path = "/v1beta/models/{model}:generateContent"
    summary = "Answer a chat in Gemini's form"
    body: ClassVar[type[BaseModel]] = GeminiBody
    stream_type = ""
    keep_alive = b"\n"  # Google's Python SDK reads a comment as a piece; an empty line is skipped, also within JSON

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings

    def parse(self, call: ApiCall) -> GeminiRequest | TokenQuestion:
        """Return the parsed body."""
        return read_gemini(call, self.settings)

    def framing(self, request: GeminiRequest) -> tuple[str, bytes]:
        """Return the content type of events, or of a JSON array."""
        return Surface.stream_type if request.dialect.sse else "application/json; charset=utf-8", self.keep_alive

    def encoder(self, request: GeminiRequest) -> Encoder:
        """Return the encoder of the stream."""
        return GeminiEncoder(request, self.style(request))

    def style(self, request: GeminiRequest) -> PresentationStyle:
        """Return the style of the answer."""
        return PresentationStyle.of(request.chat.model, request.format, self.settings.citations)

    def reply(self, request: GeminiRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the response object."""
        return whole_answer(request, self.style(request), answers)


class StreamGenerateContent(GenerateContent):
    """The surface for streams."""

    path = "/v1beta/models/{model}:streamGenerateContent"
    summary = "Answer a chat in Gemini's form, with alt=sse as a stream of events, else as a JSON array"
    stream_type = Surface.stream_type

    def parse(self, call: ApiCall) -> GeminiRequest | TokenQuestion:
        """Return the parsed body."""
        return read_gemini(call, self.settings, stream=True)


class GeminiCountBody(Lenient):
    """The contents to count, alone or in a whole request."""

    contents: Any = None
    generate_content_request: dict[str, Any] | None = None


class CountTokens(GenerateContent):
    """The surface that counts the tokens of a request."""

    path = "/v1beta/models/{model}:countTokens"
    summary = "Count the tokens of contents in Gemini's form"
    body = GeminiCountBody

    def parse(self, call: ApiCall) -> TokenQuestion:
        """Return the chat whose tokens to count."""
        asked = validated(GeminiCountBody, with_snake_case(call.body))
        inner = asked.generate_content_request
        if inner is None and asked.contents is None:
            raise RequestError("contents: Field required.", param="contents")
        body = call.body if inner is None else inner
        read = read_gemini(ApiCall(body, call.id, call.model, call.path), self.settings)
        return TokenQuestion(read.chat, _counted)


def _counted(tokens: int) -> dict[str, Any]:
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


class GenerateContentV1(GenerateContent):
    """The same in version v1 of the API."""

    path = "/v1/models/{model}:generateContent"


class StreamGenerateContentV1(StreamGenerateContent):
    """The same in version v1 of the API."""

    path = "/v1/models/{model}:streamGenerateContent"


class CountTokensV1(CountTokens):
    """The same in version v1 of the API."""

    path = "/v1/models/{model}:countTokens"
