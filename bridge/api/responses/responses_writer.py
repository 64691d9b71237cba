"""Turns an answer's events into the events of a response, and into the response itself: the same streamed and whole.

One item is open at a time, because clients assign a delta to the item that began last. An item ends when another one
begins, so text after further thinking is a separate message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, assert_never

from bridge.api.answer.answer_events import AnswerEnd, AnswerEvent
from bridge.api.answer.presenter import PresentationStyle, Presenter, valid_events
from bridge.api.http_errors import Failure, error_body
from bridge.api.responses.responses_body import ResponsesRequest
from bridge.api.responses.responses_items import CallItem, Event, MessageItem, OpenItem, ReasoningItem, SearchItem
from bridge.api.responses.responses_object import INCOMPLETE, Item, begun, cancelled, ended, failed
from bridge.chat.types import Opened, Rewritten, Searched, Text, Thinking, Title, Withdrawn
from bridge.tool_calls.answer_filter import ToolCall


class ResponseWriter:
    """Writes one response; `response` is its current state."""

    def __init__(self, request: ResponsesRequest, style: PresentationStyle) -> None:
        self._request = request
        self._presenter = Presenter(style)
        self._is_silent = request.chat.model.show == "silent"
        self.response = begun(request)
        self._output: list[Item] = []
        self._open: OpenItem | None = None
        self._number = 0
        self._cited = self._length = 0
        self._is_answering = self._is_ended = False

    @property
    def is_begun(self) -> bool:
        """Whether the client has got an event."""
        return self._number > 0

    @property
    def is_ended(self) -> bool:
        """Whether the response is final."""
        return self._is_ended

    def queue(self) -> list[Event]:
        """Return the events of a response whose chat has not begun."""
        self.response = {**self.response, "status": "queued"}
        return [self._event(f"response.{name}", response=self.response) for name in ("created", "queued")]

    def take(self, event: AnswerEvent) -> list[Event]:
        """Return the events for an event of the answer."""
        return list(self._take(event))

    def fail(self, failure: Failure) -> list[Event]:
        """Return the events that end the response early."""
        self._is_ended = True
        self.response = failed(self.response, self._output, failure)
        error = error_body(failure)["error"]
        flat = {name: error[name] for name in ("code", "message", "param")}
        return [self._event("error", **flat, error=error), self._event("response.failed", response=self.response)]

    def cancel(self) -> list[Event]:
        """Return the events that end a cancelled response; the API has no event type for that."""
        events = list(self._end_item("incomplete"))
        self._is_ended = True
        self.response = cancelled(self.response, self._output)
        return [*events, self._event("response.incomplete", response=self.response)]

    def _take(self, event: AnswerEvent) -> Iterator[Event]:
        yield from self._begin_answer()
        piece = self._presenter.piece(event)
        if piece.thinking:
            yield from self._reason(piece.thinking)
        if piece.text:
            yield from self._say(piece.text)
        match event:
            case Searched():
                yield from self._search(event)
            case ToolCall():
                yield from self._begin(CallItem(self._id("fc"), event, self._request.dialect.names))
                yield from self._end_item("completed")
            case AnswerEnd():
                yield from self._end(event)
            case Opened() | Thinking() | Text() | Title() | Withdrawn() | Rewritten():
                pass
            case _:
                assert_never(event)

    def _begin_answer(self) -> Iterator[Event]:
        if self._is_answering:
            return
        self._is_answering = True
        self.response = {**self.response, "status": "in_progress"}
        if self._number == 0:
            yield self._event("response.created", response=self.response)
        yield self._event("response.in_progress", response=self.response)

    def _reason(self, text: str) -> Iterator[Event]:
        if not isinstance(self._open, ReasoningItem):
            yield from self._begin(ReasoningItem(self._id("rs"), encrypted=self._request.dialect.encrypted))
        if isinstance(item := self._open, ReasoningItem):
            yield from item.add(self._item_event, text)

    def _say(self, text: str) -> Iterator[Event]:
        if not isinstance(self._open, MessageItem):
            yield from self._begin(MessageItem(self._id("msg"), self._length))
        self._length += len(text)
        cited, self._cited = self._presenter.citations[self._cited :], len(self._presenter.citations)
        if isinstance(item := self._open, MessageItem):
            yield from item.add(self._item_event, text, cited)

    def _search(self, searched: Searched) -> Iterator[Event]:
        if self._is_silent:
            return
        if not isinstance(self._open, SearchItem):
            yield from self._begin(SearchItem(self._id("ws"), sources=self._request.dialect.sources))
        if isinstance(item := self._open, SearchItem):
            item.add(searched)

    def _begin(self, item: OpenItem) -> Iterator[Event]:
        yield from self._end_item("completed")
        self._open = item
        yield from item.open(self._item_event)

    def _end_item(self, status: str) -> Iterator[Event]:
        if (item := self._open) is None:
            return
        yield from item.close(self._item_event, status)
        whole = item.item(status)
        yield self._item_event("response.output_item.done", item=whole)
        self._open = None
        self._output.append(whole)

    def _end(self, event: AnswerEnd) -> Iterator[Event]:
        reason = self._presenter.reason(event)
        yield from self._end_item("incomplete" if reason in INCOMPLETE else "completed")
        self._is_ended = True
        self.response = ended(self.response, self._output, reason, event.usage)
        if (keep := self._request.dialect.keep) is not None:
            keep(self.response)  # before the client can request it
        yield self._event(f"response.{self.response['status']}", response=self.response)

    def _id(self, prefix: str) -> str:
        """Return the id of the next item, which contains the response's id, so that the item can be found by it."""
        return f"{prefix}_{self._request.dialect.id}_{len(self._output) + (self._open is not None)}"

    def _event(self, kind: str, /, **fields: Any) -> Event:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number, **fields}

    def _item_event(self, kind: str, /, **fields: Any) -> Event:
        """Return an event about the open item."""
        place: dict[str, Any] = {"output_index": len(self._output)}
        if "item" not in fields:
            assert self._open is not None  # noqa: S101 - only an open item creates such events
            place = {"item_id": self._open.id, **place}
        return self._event(kind, **place, **fields)


def write_whole(request: ResponsesRequest, style: PresentationStyle, events: Sequence[AnswerEvent]) -> dict[str, Any]:
    """Return the response of a complete answer; of a withdrawn one, only what replaced it."""
    writer = ResponseWriter(request, style)
    for event in valid_events(events):
        writer.take(event)
    return writer.response
