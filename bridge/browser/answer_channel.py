"""One of the page's channels that answers come by beside the prompt's own response: a stream, a poll, a WebSocket.

It may be older than the turn. What came before the prompt has left is of no turn.
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
    """Passes the parts of one response on to the turn that runs, if its prompt has left."""

    def __init__(self, turn: Callable[[], Exchange | None], number: int, order: ArrivalOrder | None = None) -> None:
        self._running_turn = turn
        self._number = number
        self._order = order or ArrivalOrder()
        self._response: PageResponse | None = None
        self._frames = FrameStart(None)
        self._turn: Exchange | None = None
        """The turn that knows of this response."""
        self.has_given = False
        """Whether that turn has got something by it."""
        self._rest_of: list[Exchange | None] = []
        """The turn that ran when the response ended, while its rest is fetched."""

    def open(self, response: PageResponse) -> None:
        """Note how the response begins; a turn hears of it with the first part."""
        self._response = replace(response, number=self._number)
        self._frames = FrameStart(_break_of(response))

    def put(self, part: Part) -> None:
        """Take the next part of the response."""
        if isinstance(part, PageResponse):
            self.open(part)
        turn = self._rest_of[0] if self._rest_of else self._running_turn()
        self._order.put(self._number, lambda: self._take(turn, part))

    def hold(self) -> None:
        """Keep the place of a response that has ended and whose rest is fetched; it belongs to the turn of its end."""
        self._rest_of = [self._running_turn()]
        self._order.hold(self._number)

    def release(self) -> None:
        """Give the rest out, and what has come after it by other channels."""
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
    """Leaves out the rest of the frame in the middle of which a turn began; `between` is what stands between two."""

    def __init__(self, between: re.Pattern[bytes] | None) -> None:
        self._between = between
        self._last = b""
        """The end of what has passed by and is no whole frame."""

    def pass_by(self, data: bytes) -> None:
        """Note bytes that are of no turn."""
        if self._between is not None:
            seen = self._last + data
            start = 0
            for found in self._between.finditer(seen):
                start = found.end()
            self._last = seen[start:].lstrip(b"\r\n")[-LONGEST_BREAK:]

    def cut(self, data: bytes) -> bytes:
        """Return the next bytes of a turn, without the rest of a frame that began before it."""
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
