"""OpenAI's `/v1/chat/completions`; `openai_request` reads its bodies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.citations import Citation
from bridge.api.answer.presenter import PresentationStyle, PresentedAnswer, Presenter, present
from bridge.api.http_errors import Failure, dump, error_body
from bridge.api.openai.openai_request import Body, Dialect, OpenAIRequest, read
from bridge.api.surface import ApiCall, Encoder, Surface
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Opened, Source
from bridge.settings import ApiSettings
from bridge.sse import encode_sse
from bridge.tool_calls.answer_filter import ToolCall

DONE = encode_sse(b"[DONE]")
_quoted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class OpenAIChat(Surface[Dialect]):
    """The surface for chat completions, whole or as chunks."""

    dialect = "openai"
    path = "/v1/chat/completions"
    summary = "Answer a chat, whole or as a stream of events"
    body: ClassVar[type[BaseModel]] = Body

    def __init__(self, settings: ApiSettings | None = None) -> None:
        self._settings = settings or ApiSettings()

    def parse(self, call: ApiCall) -> OpenAIRequest:
        """Return the parsed body."""
        return read(call, self._settings)

    def encoder(self, request: OpenAIRequest) -> Encoder:
        """Return the encoder of the stream."""
        return ChunkEncoder(request, self.style(request))

    def style(self, request: OpenAIRequest) -> PresentationStyle:
        """Return the style of the answer."""
        return PresentationStyle.of(request.chat.model, request.format, self._settings.citations)

    def reply(self, request: OpenAIRequest, answers: Sequence[Sequence[AnswerEvent]]) -> dict[str, Any]:
        """Return the completion object."""
        shown = [present(self.style(request), events) for events in answers]
        sources = [source for answer in shown for source in answer.sources]
        return {
            **name_of(request, next((event for event in answers[0] if isinstance(event, Opened)), None)),
            "object": "chat.completion",
            "created": request.created,
            "model": request.model,
            "choices": [_choice(index, answer, request.dialect.legacy) for index, answer in enumerate(shown)],
            "usage": usage_of([event.usage for events in answers for event in events if isinstance(event, AnswerEnd)]),
            **({"search_results": list(map(_source, sources))} if sources else {}),
        }


class ChunkEncoder:
    """Writes at most one chunk for each event, and the last ones at the end; serialises only the text each time."""

    def __init__(self, request: OpenAIRequest, style: PresentationStyle) -> None:
        self._request = request
        self._head = self._named(None)
        self._tail = ',"usage":null}' if request.dialect.usage else "}"
        self._presenters = [Presenter(style) for _ in range(request.choices)]
        self._roles = ['"role":"assistant"'] * request.choices
        self._usages: list[Usage] = []

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the chunks of `event`."""
        piece = self._presenters[choice].piece(event)
        if isinstance(event, Opened):
            self._head = self._named(event) if choice == 0 else self._head
            return self._delta(choice, '"content":"","refusal":null')
        frame = b""
        if piece.thinking:
            frame = self._delta(choice, f'"reasoning_content":{_quoted(piece.thinking)}')
        elif piece.text:
            frame = self._delta(choice, f'"content":{_quoted(piece.text)}')
        elif piece.call:
            frame = self._delta(choice, self._called(piece.call))
        return frame + self._end(choice, event) if isinstance(event, AnswerEnd) else frame

    def fail(self, failure: Failure) -> bytes:
        """Return the error object as a frame."""
        return encode_sse(dump(error_body(failure)))

    def _named(self, opened: Opened | None) -> str:
        request = self._request
        head = {"object": "chat.completion.chunk", "created": request.created, "model": request.model}
        return dump(name_of(request, opened) | head)[:-1].decode()

    def _called(self, call: ToolCall) -> str:
        if self._request.dialect.legacy:
            return f'"function_call":{_quoted(_function(call))}'
        return f'"tool_calls":[{_quoted({"index": call.index, **tool_call(call)})}]'

    def _end(self, choice: int, ended: AnswerEnd) -> bytes:
        presenter = self._presenters[choice]
        cited = f'"annotations":{_quoted(list(map(_annotation, presenter.citations)))}' if presenter.citations else ""
        found = f',"search_results":{_quoted(list(map(_source, presenter.sources)))}' if presenter.sources else ""
        frames = self._delta(choice, cited, _reason(presenter.reason(ended), self._request.dialect.legacy), found)
        self._usages.append(ended.usage)
        if len(self._usages) < len(self._presenters):
            return frames
        if self._request.dialect.usage:
            frames += _frame(f'{self._head},"choices":[],"usage":{_quoted(usage_of(self._usages))}}}')
        return frames + DONE

    def _delta(self, choice: int, delta: str, reason: str | None = None, beside: str = "") -> bytes:
        if role := self._roles[choice]:
            delta = f"{role},{delta}" if delta else role
            self._roles[choice] = ""
        ended = f'"{reason}"' if reason else "null"
        made = f'{{"index":{choice},"delta":{{{delta}}},"logprobs":null,"finish_reason":{ended}}}'
        return _frame(f'{self._head},"choices":[{made}]{beside}{self._tail}')


def name_of(request: OpenAIRequest, opened: Opened | None) -> dict[str, Any]:
    """Return the answer's id, with which a client can continue the site's conversation if that is known."""
    if request.choices > 1 or opened is None or opened.conversation is None or opened.message is None:
        return {"id": f"chatcmpl-{request.chat.id}"}
    name = f"{opened.conversation}@{opened.message}"
    return {"id": name, "conversation_id": name}


def usage_of(usages: Sequence[Usage]) -> dict[str, Any]:
    """Return the usage of all answers to one prompt; `estimated` marks figures not counted by the model's tokenizer."""
    completion = sum(usage.completion for usage in usages)
    prompt = usages[0].prompt if usages else 0
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": sum(usage.reasoning for usage in usages)},
    }
    return usage | {"estimated": True} if any(usage.is_estimate for usage in usages) else usage


def tool_call(call: ToolCall) -> dict[str, Any]:
    """Return a tool call object."""
    return {"id": call.id, "type": "function", "function": _function(call)}


def _choice(index: int, shown: PresentedAnswer, legacy: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": shown.text or (None if shown.calls else "")}
    message["refusal"] = None
    if shown.thinking:
        message["reasoning_content"] = shown.thinking
    if shown.calls and legacy:
        message["function_call"] = _function(shown.calls[0])
    elif shown.calls:
        message["tool_calls"] = list(map(tool_call, shown.calls))
    if shown.citations:
        message["annotations"] = list(map(_annotation, shown.citations))
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _reason(shown.reason, legacy)}


def _function(call: ToolCall) -> dict[str, str]:
    return {"name": call.call.name, "arguments": call.call.arguments}


def _reason(reason: str, legacy: bool) -> str:
    return "function_call" if legacy and reason == "tool_calls" else reason


def _annotation(citation: Citation) -> dict[str, Any]:
    place = {"start_index": citation.start, "end_index": citation.end}
    cited = {**place, "title": citation.source.title, "url": citation.source.url}
    return {"type": "url_citation", "url_citation": cited}


def _source(source: Source) -> dict[str, Any]:
    return {"number": source.number, "title": source.title, "url": source.url, "snippet": source.snippet}


def _frame(text: str) -> bytes:
    return encode_sse(text.encode("utf-8", "replace"))
