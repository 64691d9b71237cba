"""Answers in Gemini's form, which is the same for a whole answer and for each piece of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.citations import Citation
from bridge.api.answer.presenter import PresentationStyle, Presenter, present
from bridge.api.gemini.gemini_errors import gemini_error
from bridge.api.gemini.gemini_request import GeminiRequest
from bridge.api.http_errors import Failure, dump
from bridge.chat.tokens.usage import Usage
from bridge.chat.types import Searched, Source
from bridge.sse import encode_sse
from bridge.tool_calls.answer_filter import ToolCall

REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
Part = dict[str, Any]


class GeminiEncoder:
    """Writes a response object for each piece, as an event or as an entry of a JSON array."""

    def __init__(self, request: GeminiRequest, style: PresentationStyle) -> None:
        self._request = request
        self._presenters = [Presenter(style) for _ in range(request.choices)]
        self._texts: list[list[str]] = [[] for _ in range(request.choices)]
        self._queries: list[list[str]] = [[] for _ in range(request.choices)]
        self._usages: list[Usage] = []
        self._is_begun = False

    def encode(self, event: AnswerEvent, choice: int = 0) -> bytes:
        """Return the frames of `event`."""
        if isinstance(event, Searched):
            self._queries[choice] += event.queries
        fragment = self._presenters[choice].piece(event)
        if fragment.text and self._request.chat.model.search:
            self._texts[choice].append(fragment.text)
        if isinstance(event, AnswerEnd):
            return self._end(event, choice, fragment.text)
        thinking = fragment.thinking if self._request.dialect.thoughts else ""
        parts = answer_parts(fragment.text, thinking, (fragment.call,) if fragment.call else ())
        return self._frame(respond(self._request, [candidate(choice, parts)])) if parts else b""

    def fail(self, failure: Failure) -> bytes:
        """Return the error, and the end of the array."""
        return self._frame(gemini_error(failure)) + self._closing()

    def _end(self, event: AnswerEnd, choice: int, text: str) -> bytes:
        """Return the last piece; it has a text part even if empty, because clients with a history require one."""
        presenter = self._presenters[choice]
        self._usages.append(event.usage)
        is_last = len(self._usages) == len(self._presenters)
        found = grounding(
            "".join(self._texts[choice]), self._queries[choice], presenter.sources, presenter.citations
        )  # fmt: skip
        last = candidate(choice, [{"text": text}], presenter.reason(event), found)
        said = respond(self._request, [last], self._usages if is_last else ())
        return self._frame(said) + (self._closing() if is_last else b"")

    def _frame(self, body: dict[str, Any]) -> bytes:
        if self._request.dialect.sse:
            return encode_sse(dump(body))
        begin, self._is_begun = b",\n" if self._is_begun else b"[", True
        return begin + dump(body)

    def _closing(self) -> bytes:
        return b"" if self._request.dialect.sse else b"]"


def whole_answer(
    request: GeminiRequest, style: PresentationStyle, answers: Sequence[Sequence[AnswerEvent]]
) -> dict[str, Any]:
    """Return the response object with all candidates."""
    usages = [event.usage for events in answers for event in events if isinstance(event, AnswerEnd)]
    return respond(request, [_whole(request, style, *one) for one in enumerate(answers)], usages)


def respond(
    request: GeminiRequest, candidates: Sequence[dict[str, Any]], usages: Sequence[Usage] = ()
) -> dict[str, Any]:
    """Return a response object."""
    cost = {"usageMetadata": usage_metadata(usages)} if usages else {}
    return {"candidates": [*candidates], **cost, "modelVersion": request.model, "responseId": request.chat.id}


def candidate(
    index: int, parts: Sequence[Part], reason: str | None = None, found: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a candidate, or a piece of one."""
    made: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}}
    if reason is not None:
        made["finishReason"] = REASONS[reason]
    made["index"] = index
    return {**made, "groundingMetadata": found} if found else made


def answer_parts(text: str, thinking: str, calls: Sequence[ToolCall]) -> list[Part]:
    """Return the parts of an answer, thoughts first."""
    parts: list[Part] = [{"text": thinking, "thought": True}] if thinking else []
    if text:
        parts.append({"text": text})
    return [*parts, *map(_call, calls)]


def grounding(
    text: str, queries: Sequence[str], sources: Sequence[Source], citations: Sequence[Citation]
) -> dict[str, Any] | None:
    """Return the sources of a search, and the places that cite them as byte offsets; None without a source."""
    if not sources:
        return None
    places = {source.number: index for index, source in enumerate(sources)}
    supports: list[dict[str, Any]] = []
    done = size = 0
    for cited in sorted(citations, key=lambda one: one.start):
        if cited.source.number not in places or cited.start < done:
            continue
        size += _bytes(text[done : cited.start])
        place = text[cited.start : cited.end]
        end = size + _bytes(place)
        segment = {"startIndex": size, "endIndex": end, "text": place}
        supports.append({"segment": segment, "groundingChunkIndices": [places[cited.source.number]]})
        size, done = end, cited.end
    return {
        "webSearchQueries": list(dict.fromkeys(queries)),
        "groundingChunks": [{"web": {"uri": one.url, "title": one.title or one.url}} for one in sources],
        "groundingSupports": supports,
    }


def usage_metadata(usages: Sequence[Usage]) -> dict[str, Any]:
    """Return the usage of all answers to one prompt."""
    prompt = usages[0].prompt
    thoughts = sum(usage.reasoning for usage in usages)
    answers = sum(usage.completion for usage in usages) - thoughts
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answers,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + answers + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": answers}],
    }


def _whole(
    request: GeminiRequest, style: PresentationStyle, index: int, events: Sequence[AnswerEvent]
) -> dict[str, Any]:
    shown = present(style, events)
    thinking = shown.thinking if request.dialect.thoughts else ""
    parts = answer_parts(shown.text, thinking, shown.calls) or [{"text": ""}]
    queries = [query for event in events if isinstance(event, Searched) for query in event.queries]
    return candidate(index, parts, shown.reason, grounding(shown.text, queries, shown.sources, shown.citations))


def _call(call: ToolCall) -> Part:
    return {"functionCall": {"id": call.id, "name": call.call.name, "args": json.loads(call.call.arguments)}}


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
