"""A dialect with the least that a chat needs: `{"model": ..., "prompt": ...}` in, `{"text": ...}` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, present
from bridge.api.body_size import check_length
from bridge.api.http_errors import Failure, dump
from bridge.api.surface import Encoder, ParsedRequest, Surface
from bridge.chat.types import ChatRequest, Message, Model
from bridge.errors import RequestError
from bridge.sse import encode_sse


class Body(BaseModel):
    """The body of a request."""

    model: str
    prompt: str
    stream: bool = False


class PlainChat(Surface[None]):
    """One prompt, one text."""

    path = "/v1/plain"
    summary = "Answer a prompt"
    body = Body

    def parse(self, body: object, id: str, model: Callable[[str], Model]) -> ParsedRequest[None]:  # noqa: A002
        """Return what `body` asks for."""
        try:
            asked = Body.model_validate(body)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, problem["loc"]))
            raise RequestError(f"{field}: {problem['msg']}.", param=field) from None
        meant = model(asked.model)
        check_length(asked.prompt, meant, "prompt")
        return ParsedRequest(ChatRequest(id, meant, (Message("user", asked.prompt),)), asked.model, None, asked.stream)

    def encoder(self, request: ParsedRequest[None]) -> Encoder:
        """Return an encoder of frames."""
        return PlainEncoder(request.chat.model)

    def reply(self, request: ParsedRequest[None], answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the whole answer."""
        shown = present(PresentationStyle(request.chat.model), answers[0])
        return {"text": shown.text, "reason": shown.reason}

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error as the dialect shows it."""
        return {"error": failure.message, "code": failure.code}


class PlainEncoder:
    """Writes a frame for each piece of text, and one that says why the answer ended."""

    def __init__(self, model: Model) -> None:
        self._presenter = Presenter(PresentationStyle(model))

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the frames that `event` becomes; there is only one choice."""
        text = self._presenter.piece(event).text
        frames = encode_sse(dump({"text": text})) if text else b""
        if isinstance(event, AnswerEnd):
            frames += encode_sse(dump({"reason": self._presenter.reason(event)}))
        return frames

    def fail(self, failure: Failure) -> bytes:
        """Return the frame that ends the stream early."""
        return encode_sse(dump({"error": failure.message, "code": failure.code}))
