"""One turn's requests and responses: which requests may leave the browser, and the parts of the answer in order.

`Interceptor` holds the page's requests and taps their responses; this module has the turn's own state, and no I/O.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.browser.channels import Channels
from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.errors import BridgeError, SiteError
from bridge.tasks import errors_logged

RequestCheck = Callable[[PageRequest], Sequence[str]]
"""Returns what is wrong with a held request; nothing means that it may leave the browser."""
MOST = 2**26
"""Bytes that one turn's answer may have, heartbeats included."""


def nothing_expected(_: PageRequest) -> Sequence[str]:
    """Reject every request: the page was not asked to send anything yet."""
    return ("the page was not asked to send anything yet",)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a response as they arrived, or one message of a WebSocket; `number` is that of the response."""

    data: bytes
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """A response is over; `failure` says how it broke off, if it did. After a final one the page cannot go on."""

    failure: str | None = None
    number: int = field(default=0, compare=False)
    is_final: bool = False
    is_resumed: bool = False
    """Whether the browser itself asks for the rest: an `EventSource` connects again where it was cut."""


Part = PageResponse | Chunk | ResponseEnded


class WrongSend(Exception):
    """The page wanted to send something else than it was asked to, for these `reasons`; nothing left the browser."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class Exchange:
    """The requests and responses of one turn. Call `expect`, wait for `sent`, then `receive` part by part.

    For each request the interceptor keeps this order: `reject_reasons` while it is held; then `mark_rejected`, or
    `mark_sent` before it is let go, so that no part of a response can come first; then the parts of its response: the
    head (`PageResponse`) first, `ResponseEnded` last. `fail` and `interrupt` may come at any time and end the turn.

    The first request carries the prompt and is sent once, or as often as the site repeats it. A request to another path
    continues its answer or repeats it, and may be sent again when its last response has ended. Once a newer response to
    a prompt has begun, older ones are dropped. What comes by other channels is delivered beside them.
    """

    def __init__(
        self, expected: RequestCheck = nothing_expected, channels: Channels | None = None, most: int = MOST
    ) -> None:
        self.channels = channels or Channels()
        self.passed: list[PageRequest] = []
        self.is_lost = False
        self.has_left = False
        """Whether the page went to another document, or to its login, once the prompt was sent."""
        self.has_channel_data = False
        """Whether a part of the answer has come by another way than as the response to the prompt."""
        self.on_chunk: Callable[[float], None] = lambda _: None
        """Called with each chunk's time on the browser's monotonic clock, which is ours on the same machine."""
        self.on_sent: Callable[[PageRequest], None] = lambda _: None
        """Called with each prompt that passes, before any part of its answer can come."""
        self._expected = expected
        self._room = self._most = most
        self._first_path = ""
        self._prompts = 0
        # paths other than that of the prompt that may not be sent to now: their last response is still open
        self._taken_paths: set[str] = set()
        self._open: dict[int, str] = {}
        # of two open responses to prompts only the newer one is the answer
        self._newest = self._read = 0
        self._sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts: asyncio.Queue[Part | BridgeError] = asyncio.Queue()
        self._busy, self._quiet = asyncio.Event(), asyncio.Event()
        self._quiet.set()

    def expect(self, expected: RequestCheck) -> None:
        """Let `expected` judge the requests that are held from now on; call it before the page is made to send."""
        self._expected = expected

    @property
    def open_responses(self) -> int:
        """Return how many responses to prompts are open."""
        return len(self._open)

    def may_repeat(self, number: int) -> bool:
        """Tell whether the page may send the prompt once more after that response, or has done so already."""
        if self.channels.sends == 1:
            return False
        # the page reads a refusal when we do, and may be faster
        return 0 < self._prompts < self.channels.sends or number < self._newest

    async def sent(self) -> None:
        """Return once a request was sent; raise `WrongSend` if one was rejected, or what ended the turn.

        One that was rejected is nobody's concern where another one has passed behind it: a page may still send what it
        was given for the turn before.
        """
        waited = self._sent
        try:
            await asyncio.shield(waited)
        except WrongSend:
            if self.passed:
                return
            if self._sent is waited:  # the next try waits for its own request
                self._sent = asyncio.get_running_loop().create_future()
            raise

    async def receive(self) -> Part:
        """Return the next part of the answer; raise what ended the page or the browser."""
        part = await self._parts.get()
        if isinstance(part, BridgeError):
            self._parts.put_nowait(part)  # every later call raises it, too
            raise part
        return part

    async def busy(self) -> None:
        """Return when a response to a prompt is open."""
        await self._busy.wait()

    async def quiet(self) -> None:
        """Return when no response to a prompt of this turn is open any more, or the page is gone."""
        await self._quiet.wait()

    def reject_reasons(self, request: PageRequest) -> Sequence[str]:
        """Return what is wrong with a held request; if nothing is, its path is taken, and one too many is rejected."""
        if self._is_taken(request.path):
            return ("the page wanted to send a second time",)
        reasons = self._expected(request)
        if not reasons:
            self._take(request.path)
        return reasons

    def mark_sent(self, request: PageRequest, number: int | None = None) -> None:
        """Count a request as sent, and its response `number`, if it has one, as open; called before it is let go."""
        self.passed.append(request)
        with errors_logged("while a decoder took a prompt"):  # a driver's own code; the request must not stay held
            self.on_sent(request)
        if number is not None:
            self._newest = number
            self._open[number] = request.path
            self._quiet.clear()
            self._busy.set()
        if not self._sent.done():
            self._sent.set_result(None)

    def mark_rejected(self, reasons: Sequence[str]) -> None:
        """Let `sent` raise `WrongSend`; after the first request was accepted, a rejected one is nobody's concern."""
        if not self._sent.done() and not self._prompts:
            self._sent.set_exception(WrongSend(reasons))
            self._sent.exception()  # marks it as retrieved: nobody may be waiting

    def put(self, number: int, part: Part) -> None:
        """Queue the next part of the response to a prompt, if that is the one that is read."""
        if isinstance(part, PageResponse):
            self._read = max(self._read, number)
        has_ended = isinstance(part, ResponseEnded)
        # the end of an older response is no end of the answer: a newer request goes on with it
        if self._read in (0, number) and not (has_ended and number != self._newest):
            self.deliver(part)
        if has_ended and number in self._open:
            self._close(number)

    def deliver(self, part: Part) -> None:
        """Queue a part of the answer that came by whatever channel; what has no end is read up to a limit."""
        if isinstance(part, Chunk):
            if self._room < 0:
                return
            self._room -= len(part.data)
            if self._room < 0:
                self.interrupt(SiteError(f"The site's answer has more than {self._most} bytes; it was not read on."))
                return
        self._parts.put_nowait(part)

    def deliver_whole(self, response: PageResponse, body: bytes) -> None:
        """Queue a whole response that was never held, such as one of the page's history."""
        for part in (response, Chunk(body), ResponseEnded()):
            self.deliver(part)

    def fail(self, error: BridgeError) -> None:
        """End the turn with `error`: the page or the browser is gone, and its responses with it."""
        self.is_lost = True
        self._quiet.set()
        self.interrupt(error)

    def interrupt(self, error: BridgeError) -> None:
        """End the turn with `error`; its responses stay open until the page is stopped, as after a client has left."""
        self._parts.put_nowait(error)
        if self._sent.done() and not self.passed:  # by a rejection that nobody has heard of
            self._sent = asyncio.get_running_loop().create_future()
        if not self._sent.done():
            self._sent.set_exception(error)
            self._sent.exception()

    def _is_taken(self, path: str) -> bool:
        if path == self._first_path:
            return self._prompts >= self.channels.sends
        return path in self._taken_paths

    def _take(self, path: str) -> None:
        self._first_path = self._first_path or path
        if path == self._first_path:
            self._prompts += 1
        else:
            self._taken_paths.add(path)

    def _close(self, number: int) -> None:
        self._taken_paths.discard(self._open.pop(number))
        if not self._open:
            self._quiet.set()
            self._busy.clear()
