"""What a client wants made of an answer: where it ends, which tools it may call, whether it must be JSON."""

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
"""Characters: more than any answer has."""


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """What the client wants made of the answer."""

    toolbox: Toolbox | None = None
    json: JsonForm | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    hold: int = 0
    """Characters of text that are held back as long as a call may follow."""
    retries: int = 0
    """How often the model is asked again for a call or JSON that cannot be used."""
    begun: str = ""
    """The beginning of the answer, which the client has already."""

    def text_filter(self, id: str) -> TextFilter:  # noqa: A002
        """Return a filter for the text of one answer; `id` becomes part of the ids of its calls."""
        inner = PlainTextFilter() if self.toolbox is None else ToolCallFilter(self.toolbox, self._hold(), id)
        return inner if self.json is None else JsonFilter(self.json, inner)

    def returned(self, answer: str, given: str = "", *, is_last: bool | None = None) -> str:
        """Return what the client will send back for a whole answer of the model; `given` is text it has before that.

        `is_last` tells whether the model is not asked again; without it, whether it never is.
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
