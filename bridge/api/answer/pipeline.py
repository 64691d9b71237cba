"""From a request to its answer as the client shall have it: ended where it wants, calls found, JSON checked.

Where the model wrote a call or JSON that cannot be used, it is asked again, in the same conversation if it can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, assert_never

from bridge.api.answer.continuation import ContinuationFilter
from bridge.api.answer.stop import StopFilter
from bridge.api.answer.text_filter import JsonFilter, PlainTextFilter, TextFilter
from bridge.background import off_loop
from bridge.chat.token_estimate import Meter, Usage, prompt_tokens
from bridge.chat.types import (
    ChatEvent,
    ChatRequest,
    Finish,
    FinishReason,
    Message,
    Opened,
    Searched,
    Text,
    Thinking,
    Title,
    Withdrawn,
)
from bridge.errors import BridgeError, NoAnswer
from bridge.tool_calls.answer_filter import FilteredEvent, ToolCall, ToolCallFilter, filter_answer
from bridge.tool_calls.json_mode import JsonForm
from bridge.tool_calls.json_repair import Unclear
from bridge.tool_calls.notation import Call, Toolbox, write_said

EndReason = Literal["stop", "length", "content_filter", "tool_calls"]
EVERYTHING = 1 << 62
"""Characters: more than any answer has."""


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The end of the answer as the client has it; always the last event."""

    reason: EndReason
    usage: Usage


AnswerEvent = Opened | Thinking | Text | Searched | Title | Withdrawn | ToolCall | AnswerEnd
Chat = Callable[[ChatRequest], AsyncGenerator[ChatEvent]]


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
    begun: str = ""
    """The beginning of the answer, which the client has already."""

    def talk(self, id: str) -> TextFilter:  # noqa: A002
        """Return what takes the text of one answer."""
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
            with suppress(Unclear):
                return self.json.read(text)
        return text

    def _hold(self) -> int:
        return self.hold if self.json is None else EVERYTHING


class _Shaper:
    """Shapes the events of one answer; a `complaint` stands in place of its end where the model is to try again."""

    def __init__(self, form: AnswerFormat, meter: Meter, cut: StopFilter, id: str) -> None:  # noqa: A002
        self._cut = cut
        self._begun = ContinuationFilter(form.begun)
        self._meter = meter
        self._form, self._id = form, id
        self._talk = form.talk(id)
        self._has_calls, self._has_json = form.toolbox is not None, form.json is not None
        self._withdrawn = False
        self.raw: list[str] = []
        self._thoughts: list[str] = []
        self.opened: Opened | None = None
        self.complaint: str | None = None

    async def hear(self, event: ChatEvent | NoAnswer, *, patient: bool) -> list[AnswerEvent]:
        """Return what `event` becomes; calls and JSON are read in a thread, since a text can make that long."""
        is_read = (
            isinstance(event, Text | Finish | NoAnswer)
            if self._has_calls
            else isinstance(event, Finish) and self._has_json
        )
        if is_read:
            return await asyncio.to_thread(self.take, event, patient=patient)
        return self.take(event, patient=patient)

    def take(self, event: ChatEvent | NoAnswer, *, patient: bool) -> list[AnswerEvent]:
        """Return what `event` becomes; `patient` tells whether there may be a complaint."""
        match event:
            case Text(text):
                self.raw.append(text)
                shaped = self._say(self._cut.text(self._begun.text(text)))
            case Thinking(text):
                self._thoughts.append(text)
                shaped = self._think(self._cut.thinking(text))
            case Finish(reason):
                shaped = self._say(self._cut.text(self._begun.rest()))
                return [*shaped, *self._say(self._cut.rest()), *self._end(self._cut.reason or reason, patient=patient)]
            case NoAnswer():
                return self._unanswered(event, patient=patient)
            case Withdrawn():
                self._withdrawn = True
                shaped = [event]
            case Opened():
                self.opened = event
                shaped = [event]
            case Searched() | Title():
                shaped = [event]
            case _:
                assert_never(event)
        return shaped if self._cut.reason is None else [*shaped, *self._end(self._cut.reason, patient=False)]

    def _say(self, text: str) -> list[AnswerEvent]:
        self._meter.add(Text(text))
        return [Text(text)] if self._withdrawn and text else [*self._talk.say(text)]

    def _think(self, text: str) -> list[AnswerEvent]:
        self._meter.add(Thinking(text))
        return [Thinking(text)] if text else []

    def _end(self, reason: FinishReason, *, patient: bool) -> list[AnswerEvent]:
        if self._withdrawn or reason == "content_filter":
            return [AnswerEnd(reason, self._meter.usage())]
        said = self._talk.rest()
        if reason == "stop" and not self._talk.is_call and not "".join(self.raw).strip():
            said += self._called_in_thinking(patient=patient)
        if patient and reason == "stop" and (complaint := self.complaint or self._talk.complaint()) is not None:
            self.complaint = complaint
            return [*said]
        said += self._talk.release()
        return [*said, *self._unread(reason), self._ended(reason)]

    def _unanswered(self, error: NoAnswer, *, patient: bool) -> list[AnswerEvent]:
        """Return the calls in the thinking of an answer that has no text; raise `error` where it calls nothing."""
        said = self._called_in_thinking(patient=patient)
        if self.complaint is not None:
            return []
        if not said:
            raise error
        return [*said, self._ended("stop")]

    def _called_in_thinking(self, *, patient: bool) -> list[FilteredEvent]:
        """Return the calls in the thinking, for an answer without text; one that cannot be read is complained about."""
        if self._form.toolbox is None:
            return []
        talk = ToolCallFilter(self._form.toolbox, EVERYTHING, self._id)
        said = [*talk.say("".join(self._thoughts)), *talk.rest()]
        if talk.is_call:
            self._talk = talk
        elif talk.unread and patient:
            self.complaint = talk.complaint()
        return [event for event in said if isinstance(event, ToolCall)]

    def _unread(self, reason: FinishReason) -> list[Text]:
        """Return what is to be said behind a call that cannot be read."""
        is_whole = reason == "stop" and self._cut.reason is None
        return [Text(self._talk.unread)] if is_whole and self._talk.unread else []

    def _ended(self, reason: FinishReason) -> AnswerEnd:
        ended: EndReason = reason
        if reason == "stop" and self._talk.is_call:
            ended = "tool_calls"
        elif reason == "stop" and self._cut.reason is None and self._talk.is_broken:
            ended = "length"
        return AnswerEnd(ended, self._meter.usage())


async def answer(chat: Chat, request: ChatRequest, form: AnswerFormat) -> AsyncGenerator[AnswerEvent]:
    """Yield the answer's events, `AnswerEnd` last; close the chat once the client wants no more."""
    size = sum(len(message.text) for message in request.messages)
    meter = Meter(await off_loop(size, prompt_tokens, request.messages))
    cut = StopFilter(form.stop, form.max_tokens)
    asked = request
    given: list[str] = []
    for retries in reversed(range(form.retries + 1)):
        shaper = _Shaper(form, meter, cut, request.id.replace("-", ""))
        async with aclosing(_heard(chat(asked) if asked is request else _resent(chat(asked)))) as events:
            async for event in events:
                for shaped in await shaper.hear(event, patient=retries > 0):
                    given += [shaped.text] if isinstance(shaped, Text) else []
                    if asked is request or not isinstance(shaped, Opened):
                        yield shaped
                if cut.reason is not None and not isinstance(event, Finish):
                    return
        if shaper.complaint is None:
            return
        returned = partial(form.returned, given="".join(given), is_last=retries == 1)
        asked = await asyncio.to_thread(_again, request, asked, shaper, returned)


async def _heard(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[ChatEvent | NoAnswer]:
    """Pass the events on, and as the last one that the model ended without an answer."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except NoAnswer as error:
            yield error


async def _resent(events: AsyncGenerator[ChatEvent]) -> AsyncGenerator[ChatEvent]:
    """Pass the events of a second try on; whatever goes wrong in it, something was sent."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except BridgeError as error:
            raise error.replace(sent=True) from error


def _again(request: ChatRequest, asked: ChatRequest, shaper: _Shaper, returned: Callable[[str], str]) -> ChatRequest:
    """Return the request that goes on from the answer to `asked`, which cannot be used; earlier tries are left out.

    The client never hears of it: what it has is its own request and the answer that comes of this.
    """
    name = asked.conversation
    if name is not None and shaper.opened is not None and shaper.opened.conversation is not None:
        name = f"{shaper.opened.conversation}@{shaper.opened.message}"
    said = Message("assistant", asked.returned("".join(shaper.raw)))
    unseen = (said, Message("user", shaper.complaint or ""))
    return replace(
        request,
        id=f"{asked.id}-again",
        messages=(*request.messages, *unseen),
        conversation=name,
        returned=returned,
        unseen=len(unseen),
    )
