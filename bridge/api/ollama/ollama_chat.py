"""The surfaces `/api/chat` and `/api/generate`, whole or as lines of JSON; they differ only in the form of pieces."""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, present
from bridge.api.body_fields import validated
from bridge.api.http_errors import Failure, dump
from bridge.api.ollama.ollama_request import (
    OllamaChatBody,
    OllamaFields,
    OllamaGenerateBody,
    OllamaRequest,
    OllamaTiming,
    loaded,
    ollama_time,
    read_ollama_chat,
    read_ollama_generate,
)
from bridge.api.surface import ApiCall, Encoder, Immediate, Surface
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Opened
from bridge.settings import ApiSettings
from bridge.tool_calls.answer_filter import ToolCall

REASONS = {"tool_calls": "stop"}
"""Reasons with another name in this dialect."""


class OllamaSurface(Surface[OllamaTiming]):
    """The common part of chats and completions; both stream by default."""

    dialect = "ollama"
    stream_type = "application/x-ndjson"
    keep_alive = b""
    is_untyped = True  # Ollama's curl examples set no content type

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings

    @abstractmethod
    def piece(self, text: str = "", thinking: str = "", calls: Sequence[ToolCall] = ()) -> dict[str, Any]:
        """Return the fields for a piece of the answer."""

    def framing(self, request: OllamaRequest) -> tuple[str, bytes]:
        """Return content type and keep-alive, which is an empty piece because clients parse each line as JSON."""
        return self.stream_type, line(request.model, {**self.piece(), "done": False})

    def encoder(self, request: OllamaRequest) -> Encoder:
        """Return the encoder of the stream."""
        return LineEncoder(self, request)

    def style(self, request: OllamaRequest) -> PresentationStyle:
        """Return the style of the answer."""
        return PresentationStyle.of(request.chat.model, request.format, self.settings.citations)

    def reply(self, request: OllamaRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the whole answer."""
        shown = present(self.style(request), answers[0])
        usage = next(event.usage for event in answers[0] if isinstance(event, AnswerEnd))
        total = time.monotonic_ns() - request.dialect.started
        said = self.piece(shown.text, shown.thinking, shown.calls)
        return named(request.model, said | ended(shown.reason, usage, total, 0, 0))

    def immediate(self, asked: OllamaFields) -> Immediate:
        """Return the response to a request that only loads the model."""
        return Immediate(named(asked.model, self.piece() | loaded(asked)))


class OllamaChat(OllamaSurface):
    """The surface for chats, whose pieces are messages."""

    path = "/api/chat"
    summary = "Answer a chat in Ollama's form, as lines of JSON or whole"
    body = OllamaChatBody

    def parse(self, call: ApiCall) -> OllamaRequest | Immediate:
        """Return the parsed body."""
        asked = validated(OllamaChatBody, call.body)
        return read_ollama_chat(asked, call, self.settings) or self.immediate(asked)

    def piece(self, text: str = "", thinking: str = "", calls: Sequence[ToolCall] = ()) -> dict[str, Any]:
        """Return a message."""
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = list(map(_call, calls))
        return {"message": message}


class OllamaGenerate(OllamaSurface):
    """The surface for completions of a prompt, without tools."""

    path = "/api/generate"
    summary = "Complete a prompt in Ollama's form, as lines of JSON or whole"
    body = OllamaGenerateBody

    def parse(self, call: ApiCall) -> OllamaRequest | Immediate:
        """Return the parsed body."""
        asked = validated(OllamaGenerateBody, call.body)
        return read_ollama_generate(asked, call, self.settings) or self.immediate(asked)

    def piece(self, text: str = "", thinking: str = "", calls: Sequence[ToolCall] = ()) -> dict[str, Any]:
        """Return text and thinking."""
        return {"response": text, "thinking": thinking} if thinking else {"response": text}


class LineEncoder:
    """Writes a line for each piece, and a last one with counts and durations."""

    def __init__(self, surface: OllamaSurface, request: OllamaRequest) -> None:
        self._surface, self._model = surface, request.model
        self._presenter = Presenter(surface.style(request))
        self._started = self._opened = request.dialect.started
        self._begun = 0

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the lines of `event`; there is only one choice."""
        fragment = self._presenter.piece(event)
        if isinstance(event, Opened):
            self._opened = time.monotonic_ns()
        lines = b""
        if fragment.text or fragment.thinking or fragment.call:
            self._begun = self._begun or time.monotonic_ns()
            calls = (fragment.call,) if fragment.call else ()
            said = self._surface.piece(fragment.text, fragment.thinking, calls)
            lines = line(self._model, {**said, "done": False})
        return lines + self._last(event) if isinstance(event, AnswerEnd) else lines

    def fail(self, failure: Failure) -> bytes:
        """Return the line that ends the stream early."""
        return dump(ollama_error(failure)) + b"\n"

    def _last(self, event: AnswerEnd) -> bytes:
        total = time.monotonic_ns() - self._started
        load = self._opened - self._started
        reading = max(self._begun - self._opened, 0)
        end = ended(self._presenter.reason(event), event.usage, total, load, reading)
        return line(self._model, self._surface.piece() | end)


def ollama_error(failure: Failure) -> dict[str, Any]:
    """Return the body of a failure."""
    return {"error": failure.message}


def named(model: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return a piece with the model and the time."""
    return {"model": model, "created_at": ollama_time(), **said}


def line(model: str, said: dict[str, Any]) -> bytes:
    """Return a piece as a line of a stream."""
    return dump(named(model, said)) + b"\n"


def ended(reason: str, usage: Usage, total: int, load: int, reading: int) -> dict[str, Any]:
    """Return the fields of the last piece; all durations are in nanoseconds.

    `load` lasts until the site has the prompt, `reading` from then until the first piece of the answer.
    """
    return {
        "done": True,
        "done_reason": REASONS.get(reason, reason),
        "total_duration": total,
        "load_duration": load,
        "prompt_eval_count": usage.prompt,
        "prompt_eval_duration": reading,
        "eval_count": usage.completion,
        "eval_duration": max(total - load - reading, 1),
    }


def _call(call: ToolCall) -> dict[str, Any]:
    number = {"index": call.index}
    function = {**number, "name": call.call.name, "arguments": json.loads(call.call.arguments)}
    return {"id": call.id, **number, "function": function}  # LiteLLM expects the index beside the function
