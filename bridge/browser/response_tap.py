"""Puts the bytes of one response in order and counts them; no I/O.

Three sources overlap: the bytes that Chromium had before the tap was armed, the events since, and the whole body at the
end. Events arrive before the answer of the command that armed the tap, so they are kept (`_early`) until `arm` or
`give_up`. After an event without its data (a hole), no later data is delivered, as it would be out of place. At all
times, the `_given` bytes delivered are a prefix of the `length` bytes that Chromium has counted.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.browser.answer_channel import AnswerChannel
from bridge.browser.exchange import Chunk, Part, ResponseEnded
from bridge.browser.page_messages import PageResponse


class Tap:
    """The tap of response `number`; delivers each part by a call of `put`."""

    def __init__(
        self, put: Callable[[Part], None], number: int, *, channel: AnswerChannel | None = None, is_known: bool = False
    ) -> None:
        self.failure: str | None = None
        """Why the response was not read, if the interceptor failed it."""
        self.channel = channel
        """The channel of the response; None for the response to a prompt."""
        self.is_known = is_known
        """Whether the request was announced, so that it belongs to the current document."""
        self.is_resumed = False
        """Whether the browser requests the rest if the response is cut."""
        self.length = 0
        """Bytes of the response so far."""
        self.content_type = ""
        """The whole header, with its charset."""
        self._put = put
        self._number = number
        self._early: list[tuple[int, bytes | None]] | None = []
        self._given = 0
        self._has_hole = False

    @property
    def is_prompts(self) -> bool:
        """Tell whether it is the response to a prompt."""
        return self.channel is None

    @property
    def is_complete(self) -> bool:
        """Tell whether every byte that Chromium counted was delivered."""
        return self._early is None and not self._has_hole and not self.is_short

    @property
    def is_short(self) -> bool:
        """Tell whether fewer bytes were delivered than Chromium counted."""
        return self._given < self.length

    def begin(self, response: PageResponse) -> None:
        """Deliver the head of the response."""
        self.content_type = response.headers.get("content-type", "")
        self._put(PageResponse(response.url, response.status, response.headers, self._number))

    def end(self, failure: str | None, *, is_final: bool = False) -> None:
        """Deliver the end of the response."""
        is_resumed = self.is_resumed and self.is_complete and (failure is None or is_final)
        self._put(ResponseEnded(failure, self._number, is_final=is_final and not is_resumed, is_resumed=is_resumed))

    def arm(self, buffered: bytes) -> None:
        """Deliver the bytes from before the tap, then those that came while it was armed."""
        early, self._early = self._early or [], None
        self.length += len(buffered)
        self._give(buffered)
        for length, data in early:
            self.take(length, data)

    def give_up(self) -> None:
        """Wait for the whole body, as the tap could not be armed."""
        early, self._early, self._has_hole = self._early or [], None, True
        self.length += sum(length for length, _ in early)

    def take(self, length: int, data: bytes | None) -> None:
        """Count `length` bytes and deliver them; after a hole, everything waits for the whole body."""
        if self._early is not None:
            self._early.append((length, data))
            return
        self.length += length
        self._has_hole = self._has_hole or (data is None and length > 0)
        if self._has_hole:
            self._put(Chunk(b"", self._number))  # nothing to read yet, but a sign of life
        elif data:
            self._give(data)

    def fill(self, body: bytes) -> None:
        """Deliver the missing rest of the whole body."""
        self._give(body[self._given :])

    def _give(self, data: bytes) -> None:
        if data:
            self._given += len(data)
            self._put(Chunk(data, self._number))
