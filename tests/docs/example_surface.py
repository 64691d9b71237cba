"""A dialect with the least that a chat needs: `{"model": ..., "prompt": ...}` in, `{"text": ...}` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import StrictStr

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, present
from bridge.api.api_dialect import Dialect
from bridge.api.body_fields import validated
from bridge.api.body_size import check_length
from bridge.api.chat_options import ChatOptions, make_request
from bridge.api.http_errors import Failure, dump
from bridge.api.request_model import Lenient
from bridge.api.surface import ApiCall, Encoder, ParsedRequest, Surface
from bridge.chat.types import Message, Model
from bridge.settings import ApiSettings
from bridge.sse import encode_sse


class Body(Lenient):
    """The body of a request."""

    model: StrictStr
    prompt: StrictStr
    stream: bool = False


class Plain(Dialect):
    """What is served."""

    prefixes = ("/plain/",)

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def surfaces(self) -> Sequence[Surface[Any]]:
        """Return the ways to chat."""
        return (PlainChat(self._settings),)

    def error(self, failure: Failure) -> dict[str, Any]:
        """Return the error as the dialect shows it."""
        return {"error": failure.message, "code": failure.code}


class PlainChat(Surface[None]):
    """One prompt, one text."""

    dialect = "plain"
    path = "/plain/chat"
    summary = "Answer a prompt"
    body = Body

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def parse(self, call: ApiCall) -> ParsedRequest[None]:
        """Return what the body asks for."""
        asked = validated(Body, call.body)
        model = call.model(asked.model)
        check_length(asked.prompt, model, "prompt")
        messages = (Message("user", asked.prompt),)
        options = ChatOptions(name=asked.model, model=model, messages=messages, stream=asked.stream)
        return make_request(options, call.id, None, self._settings)

    def encoder(self, request: ParsedRequest[None]) -> Encoder:
        """Return an encoder of frames."""
        return PlainEncoder(request.chat.model)

    def reply(self, request: ParsedRequest[None], answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the whole answer."""
        shown = present(PresentationStyle(request.chat.model), answers[0])
        return {"text": shown.text, "reason": shown.reason}


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
