"""The form of an answer that a client asks for: where it ends, which tools it may call, whether it must be JSON."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from bridge.api.answer.continuation import ContinuationFilter
from bridge.api.answer.text_filter import JsonFilter, PlainTextFilter, TextFilter
from bridge.tool_calls.answer_filter import ToolCallFilter, filter_answer
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.json_repair import Unreadable
from bridge.tool_calls.notation import Call, Toolbox, write_said

EVERYTHING = 1 << 62
"""More characters than any answer has."""


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """The client's wishes for the form of the answer."""

    toolbox: Toolbox | None = None
    json: JsonForm | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    hold: int = 0
    """Characters of text to hold back while a tool call may follow."""
    retries: int = 0
    """How often to ask the model again for an unusable tool call or JSON."""
    begun: str = ""
    """The beginning of the answer, which the client already has."""

    def text_filter(self, id: str) -> TextFilter:  # noqa: A002
        """Return a filter for the text of one answer; `id` becomes part of the ids of its calls."""
        inner = PlainTextFilter() if self.toolbox is None else ToolCallFilter(self.toolbox, self._hold(), id)
        return inner if self.json is None else JsonFilter(self.json, inner)

    def returned(self, answer: str, given: str = "", *, is_last: bool | None = None) -> str:
        """Return the text by which the client will send back a whole answer; `given` is the text that it got before.

        `is_last` tells whether the model will not be asked again; by default that follows from `retries`.
        """
        answer = ContinuationFilter(self.begun).whole(answer)
        is_last = self.retries == 0 if is_last is None else is_last
        text, calls = answer, list[Call]()
        if self.toolbox is not None:
            text, calls = filter_answer(self.toolbox, self._hold(), answer, is_last=is_last and self.json is None)
        text = given + text
        if calls:
            return write_said(text, calls)
        if self.json is not None:
            with suppress(Unreadable):
                return self.json.read(text)
        return text

    def _hold(self) -> int:
        return self.hold if self.json is None else EVERYTHING
