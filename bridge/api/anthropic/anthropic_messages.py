"""Anthropic's `/v1/messages`: one message, whole or as stream events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, ClassVar

from pydantic import BaseModel

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, valid_events
from bridge.api.anthropic.anthropic_content import ContentWriter, Event, blocks_of
from bridge.api.anthropic.anthropic_errors import error_body
from bridge.api.anthropic.anthropic_request import AnthropicOptions, AnthropicRequest, MessagesBody, read
from bridge.api.http_errors import Failure, dump
from bridge.api.surface import ApiCall, Encoder, Surface, TokenQuestion
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Opened, Searched, Text, Thinking
from bridge.settings import ApiSettings
from bridge.sse import encode_sse

PING: Event = {"type": "ping"}
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
REFUSED = {"type": "refusal", "category": None, "explanation": None}
NO_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
"""Usage of a prompt cache, which does not exist here."""


def frame(event: Event) -> bytes:
    """Return an event as an SSE frame."""
    return encode_sse(dump(event), event["type"])


class AnthropicMessages(Surface[AnthropicOptions]):
    """The surface for messages."""

    dialect = "anthropic"
    path = "/v1/messages"
    summary = "Answer messages in Anthropic's form, whole or as a stream of events"
    body: ClassVar[type[BaseModel]] = MessagesBody
    keep_alive = frame(PING)

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    def parse(self, call: ApiCall) -> AnthropicRequest | TokenQuestion:
        """Return the parsed body."""
        return read(call, self._settings)

    def encoder(self, request: AnthropicRequest) -> Encoder:
        """Return the encoder of the stream."""
        return MessageEncoder(request, self._style(request))

    def reply(self, request: AnthropicRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the message."""
        (events,) = answers
        answer = _Answer(request, self._style(request))
        content = blocks_of(made for event in _joined(valid_events(events)) for made in answer.content(event))
        ended = next(event for event in events if isinstance(event, AnswerEnd))
        return {**_message(request), "content": content, **answer.stop(ended), "usage": answer.usage(ended.usage)}

    def _style(self, request: AnthropicRequest) -> PresentationStyle:
        return PresentationStyle.of(request.chat.model, request.format, self._settings.citations)


class MessageEncoder:
    """Writes `message_start`, the events of each block, and at the end `message_delta` and `message_stop`."""

    def __init__(self, request: AnthropicRequest, style: PresentationStyle) -> None:
        self._request = request
        self._answer = _Answer(request, style)

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the frames of `event`; there is only one choice."""
        return b"".join(map(frame, self._events(event)))

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream early."""
        return encode_sse(dump(error_body(failure)), "error")

    def _events(self, event: AnswerEvent) -> list[Event]:
        content = self._answer.content(event)
        if isinstance(event, Opened):
            usage = self._answer.usage(Usage(event.prompt_tokens, 0, 0))
            return [{"type": "message_start", "message": {**_message(self._request), "usage": usage}}, PING, *content]
        if not isinstance(event, AnswerEnd):
            return content
        delta = {"type": "message_delta", "delta": {"container": None, **self._answer.stop(event)}}
        return [*content, {**delta, "usage": self._answer.usage(event.usage)}, {"type": "message_stop"}]


class _Answer:
    """The presentation of one answer."""

    def __init__(self, request: AnthropicRequest, style: PresentationStyle) -> None:
        options = request.dialect
        self._presenter = Presenter(style)
        self._writer = ContentWriter(
            request.chat.id.replace("-", ""),
            shows_thinking=options.shows_thinking,
            shows_search=options.shows_search,
        )

    def content(self, event: AnswerEvent) -> list[Event]:
        """Return the block events of `event`."""
        if isinstance(event, Searched):
            self._writer.searched(event)
        known = len(self._presenter.citations)
        piece = self._presenter.piece(event)
        events = self._writer.write(piece, self._presenter.citations[known:])
        return events + self._writer.finish() if isinstance(event, AnswerEnd) else events

    def stop(self, ended: AnswerEnd) -> dict[str, Any]:
        """Return why the answer ended."""
        reason = REASONS[self._presenter.reason(ended)]
        sequence = ended.stop_sequence if reason == "end_turn" else None
        return {
            "stop_reason": "stop_sequence" if sequence else reason,
            "stop_sequence": sequence,
            "stop_details": REFUSED if reason == "refusal" else None,
        }

    def usage(self, usage: Usage) -> dict[str, Any]:
        """Return the usage object."""
        return _usage(usage, self._writer.searches)


def _message(request: AnthropicRequest) -> dict[str, Any]:
    """Return a message without content and stop reason."""
    return {
        "id": f"msg_{request.chat.id.replace('-', '')}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def _usage(usage: Usage, searches: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        **NO_CACHE,
        "output_tokens": usage.completion,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 0} if searches else None,
    }


def _joined(events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
    """Yield the events with consecutive texts joined."""
    for kind, group in groupby(events, type):
        texts: list[str] = []
        for event in group:
            if isinstance(event, Text | Thinking):
                texts.append(event.text)
            else:
                yield event
        if texts:
            yield Text("".join(texts)) if kind is Text else Thinking("".join(texts))
