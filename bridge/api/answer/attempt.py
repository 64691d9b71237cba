"""One attempt of the model at an answer: events of its chat in, events for the client or a retry prompt out."""

from __future__ import annotations

from typing import assert_never

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent, EndReason
from bridge.api.answer.answer_format import EVERYTHING, AnswerFormat
from bridge.api.answer.continuation import ContinuationFilter
from bridge.api.answer.stop import StopFilter
from bridge.chat.tokens.usage import ON_LOOP, Meter
from bridge.chat.types import (
    ChatEvent,
    Finish,
    FinishReason,
    Opened,
    Rewritten,
    Searched,
    Text,
    Thinking,
    Title,
    Withdrawn,
)
from bridge.errors import SiteError
from bridge.tool_calls.answer_filter import ToolCall, ToolCallFilter


class Attempt:
    """Turns the events of one chat into events for the client.

    Text passes three filters in this order: the continuation filter sees it as the model wrote it, the stop filter
    counts what the client will get, and only the rest is searched for tool calls or read as JSON. After the site has
    withdrawn the answer, the site's own text bypasses the last filter.

    An attempt is over with `AnswerEnd` or with a `retry_prompt`, never with both.
    """

    def __init__(
        self,
        answer_format: AnswerFormat,
        meter: Meter,
        stop: StopFilter,
        id: str,  # noqa: A002
        *,
        may_retry: bool,
    ) -> None:
        self._format, self._id, self._may_retry = answer_format, id, may_retry
        self._meter, self._stop = meter, stop  # both count over all attempts at the same answer
        self._continuation = ContinuationFilter(answer_format.begun)
        self._filter = answer_format.text_filter(id)
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._has_text = self._has_thinking = self._is_withdrawn = False
        self.opened: Opened | None = None
        self.retry_prompt: str | None = None
        """The prompt that asks the model to write its answer again, set at the end of the attempt, or None."""

    @property
    def text(self) -> str:
        """Return the text so far, as the model wrote it."""
        return "".join(self._text)

    @property
    def thinking(self) -> str:
        """Return the reasoning so far, as the model wrote it."""
        return "".join(self._thinking)

    def is_costly(self, event: ChatEvent) -> bool:
        """Tell whether `take` may parse a call or JSON or count many tokens, which hostile text can make slow."""
        size = len(event.text) if isinstance(event, Text | Thinking) else 0
        if size > ON_LOOP or (isinstance(event, Finish) and self._meter.waiting > ON_LOOP):
            return True
        if self._format.toolbox is not None:
            return isinstance(event, Text | Finish)
        return self._format.json is not None and isinstance(event, Finish)

    def take(self, event: ChatEvent) -> list[AnswerEvent]:
        """Return the client's events for `event`; raise a `SiteError` at an end without an answer."""
        match event:
            case Text(text):
                self._text.append(text)
                self._has_text = self._has_text or bool(text.strip())
                made = [*self._end_thinking(), *self._filtered(self._stop.text(self._continuation.text(text)))]
            case Thinking(text):
                self._thinking.append(text)
                self._has_thinking = self._has_thinking or bool(text.strip())
                made = [*self._filtered(self._stop.begin_thinking()), *self._thought(self._stop.thinking(text))]
            case Finish(reason):
                return self._finish(reason)
            case Withdrawn(text):
                held = [*self._end_thinking(), *self._filtered(self._stop.finish())]
                self._is_withdrawn = True
                self._has_text = self._has_text or bool(text.strip())
                made = [*held, event]
            case Opened():
                self.opened = event
                made = [event]
            case Searched() | Title() | Rewritten():
                made = [event]
            case _:
                assert_never(event)
        return made if self._stop.reason is None else [*made, *self._end(self._stop.reason)]

    def end_without_text(self, error: SiteError) -> list[AnswerEvent]:
        """Return the tool calls in the thinking of a model that wrote nothing else; raise `error` without any.

        Unreadable calls set the retry prompt.
        """
        calls = self._calls_in_thinking()
        if self.retry_prompt is not None:
            return []
        if not calls:
            raise error
        return [*self._end_thinking(), *calls, self._answer_end(self._stop.reason or "stop")]

    def _filtered(self, text: str) -> list[AnswerEvent]:
        self._meter.add_text(text)
        return [Text(text)] if self._is_withdrawn and text else [*self._filter.feed(text)]

    def _end_thinking(self) -> list[AnswerEvent]:
        return self._thought(self._stop.end_thinking())

    def _thought(self, text: str) -> list[AnswerEvent]:
        self._meter.add_thinking(text)
        return [Thinking(text)] if text else []

    def _finish(self, reason: FinishReason) -> list[AnswerEvent]:
        is_thinking_cut = self._has_thinking and reason == "length"  # the limit ended the thinking
        if not self._has_text and not is_thinking_cut and reason != "content_filter":
            return self.end_without_text(SiteError("The site ended its answer without any text.", sent=True))
        made = [*self._end_thinking(), *self._filtered(self._stop.text(self._continuation.finish()))]
        return [*made, *self._filtered(self._stop.finish()), *self._end(self._stop.reason or reason)]

    def _end(self, reason: FinishReason) -> list[AnswerEvent]:
        """Return the last events, or set the retry prompt if the answer is unusable and may be asked for again."""
        if self._is_withdrawn or reason == "content_filter":
            return [AnswerEnd(reason, self._meter.usage())]
        made: list[AnswerEvent] = [*self._filter.finish()]
        is_whole = reason == "stop" and self._stop.reason is None  # neither the client nor a limit cut it
        if is_whole and self._may_retry and (prompt := self._filter.retry_prompt()) is not None:
            self.retry_prompt = prompt
            return made
        made += self._filter.release()
        if is_whole and self._filter.unreadable_note:
            made.append(Text(self._filter.unreadable_note))
        return [*made, self._answer_end(reason)]

    def _calls_in_thinking(self) -> list[ToolCall]:
        if self._format.toolbox is None:
            return []
        found = ToolCallFilter(self._format.toolbox, EVERYTHING, self._id)
        events = [*found.feed("".join(self._thinking)), *found.finish()]
        if found.is_call:
            self._filter = found
        elif found.unreadable_note and self._may_retry:
            self.retry_prompt = found.retry_prompt()
        return [event for event in events if isinstance(event, ToolCall)]

    def _answer_end(self, reason: FinishReason) -> AnswerEnd:
        end: EndReason = reason
        if reason == "stop" and self._filter.is_call:
            end = "tool_calls"
        elif reason == "stop" and self._stop.reason is None and self._filter.is_cut_off:
            end = "length"
        return AnswerEnd(end, self._meter.usage(), self._stop.sequence if end == "stop" else None)
