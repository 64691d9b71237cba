"""A channel for answers other than the response to the prompt: a stream, a poll or a WebSocket of the page.

It may be older than the turn. Data that arrived before the prompt was sent belongs to no turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from bridge.browser.arrival_order import ArrivalOrder
from bridge.browser.exchange import Chunk, Exchange, Part, ResponseEnded
from bridge.browser.page_messages import PageResponse

EVENT_BREAK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
LINE_BREAK = re.compile(rb"\n")
LONGEST_BREAK = 4
LINES = ("ndjson", "jsonl", "json-lines", "stream+json", "json-seq")
"""Words in the media type of a stream of lines."""


class AnswerChannel:
    """A channel that passes the parts of one response to the running turn, if its prompt was sent."""

    def __init__(self, turn: Callable[[], Exchange | None], number: int, order: ArrivalOrder | None = None) -> None:
        self._running_turn = turn
        self._number = number
        self._order = order or ArrivalOrder()
        self._response: PageResponse | None = None
        self._frames = FrameStart(None)
        self._turn: Exchange | None = None
        """The turn that got the head of this response."""
        self.has_given = False
        """Whether that turn got data from it."""
        self._rest_of: list[Exchange | None] = []
        """The turn that ran when the response ended, while the rest of its body is fetched."""

    def open(self, response: PageResponse) -> None:
        """Record the head of the response; a turn gets it with the first part."""
        self._response = replace(response, number=self._number)
        self._frames = FrameStart(_break_of(response))

    def put(self, part: Part) -> None:
        """Process the next part of the response."""
        if isinstance(part, PageResponse):
            self.open(part)
        turn = self._rest_of[0] if self._rest_of else self._running_turn()
        self._order.put(self._number, lambda: self._take(turn, part))

    def hold(self) -> None:
        """Hold the order while the ended response's rest is fetched, which belongs to the turn that runs now."""
        self._rest_of = [self._running_turn()]
        self._order.hold(self._number)

    def release(self) -> None:
        """Deliver the rest, and the parts of other channels that came after it."""
        self._order.release(self._number)

    def _take(self, turn: Exchange | None, part: Part) -> None:
        if turn is None:
            self._pass_by(part)
        elif self._response is None:
            turn.deliver(part)  # a request that failed before there was a response
        else:
            self._begin(turn, self._response)
            self._deliver(turn, part)

    def _pass_by(self, part: Part) -> None:
        if isinstance(part, Chunk):
            self._frames.pass_by(part.data)

    def _begin(self, turn: Exchange, response: PageResponse) -> None:
        if self._turn is not turn:
            self._turn, self.has_given = turn, False
            turn.deliver(response)

    def _deliver(self, turn: Exchange, part: Part) -> None:
        match part:
            case Chunk(data):
                data = self._frames.cut(data)
                self.has_given = self.has_given or bool(data)
                turn.has_channel_data = turn.has_channel_data or bool(data)
                turn.deliver(Chunk(data, self._number))
            case ResponseEnded(failure):
                is_cut = part.is_final and (self.has_given or failure is None)
                turn.deliver(replace(part, number=self._number, is_final=is_cut))
            case PageResponse():
                pass


class FrameStart:
    """A filter that drops the rest of a frame in which a turn began; `between` is the separator of frames."""

    def __init__(self, between: re.Pattern[bytes] | None) -> None:
        self._between = between
        self._last = b""
        """The last bytes of an incomplete frame before the turn."""

    def pass_by(self, data: bytes) -> None:
        """Record bytes that belong to no turn."""
        if self._between is not None:
            seen = self._last + data
            start = 0
            for found in self._between.finditer(seen):
                start = found.end()
            self._last = seen[start:].lstrip(b"\r\n")[-LONGEST_BREAK:]

    def cut(self, data: bytes) -> bytes:
        """Return the next bytes of a turn without the rest of a frame that began before it."""
        if self._between is None or not self._last:
            return data
        seen = self._last + data
        found = self._between.search(seen)
        self._last = b"" if found else seen[-LONGEST_BREAK:]
        return seen[found.end() :] if found else b""


def _break_of(response: PageResponse) -> re.Pattern[bytes] | None:
    kind = response.content_type
    if kind == "text/event-stream":
        return EVENT_BREAK
    return LINE_BREAK if any(word in kind for word in LINES) else None
