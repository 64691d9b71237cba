"""The requests and responses of one turn: which requests may be sent, and the parts of the answer in order.

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
"""Returns what is wrong with a held request; an empty result means that it may be sent."""
MOST = 2**26
"""Most bytes of one turn's answer, including heartbeats."""


def nothing_expected(_: PageRequest) -> Sequence[str]:
    """Reject every request, as the page was not asked to send anything yet."""
    return ("the page was not asked to send anything yet",)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a response as they arrived, or one WebSocket message; `number` is the response's."""

    data: bytes
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """The end of a response; `failure` is why it broke off, if it did. After a final one, no more can come."""

    failure: str | None = None
    number: int = field(default=0, compare=False)
    is_final: bool = False
    is_resumed: bool = False
    """Whether the browser itself requests the rest, as an `EventSource` that was cut connects again."""


Part = PageResponse | Chunk | ResponseEnded


class WrongSend(Exception):
    """The page tried to send something other than it was asked to, for these `reasons`; nothing was sent."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class Exchange:
    """The requests and responses of one turn. Call `expect`, wait for `sent`, then `receive` part by part.

    For each request the interceptor keeps this order: `reject_reasons` while it is held; then `mark_rejected`, or
    `mark_sent` before it continues, so that no part of a response can come first; then the parts of its response: the
    head (`PageResponse`) first, `ResponseEnded` last. `fail` and `interrupt` may come at any time and end the turn.

    The first request carries the prompt and is sent once, or as often as the site repeats it. A request to another path
    continues or repeats its answer, and may be sent again when its last response has ended. Once a newer response to a
    prompt has begun, older ones are dropped. Parts from other channels are delivered as well.
    """

    def __init__(
        self, expected: RequestCheck = nothing_expected, channels: Channels | None = None, most: int = MOST
    ) -> None:
        self.channels = channels or Channels()
        self.passed: list[PageRequest] = []
        self.is_lost = False
        self.has_left = False
        """Whether the page went to another document, or to its login, after the prompt was sent."""
        self.has_channel_data = False
        """Whether a part of the answer has come by a channel other than the response to the prompt."""
        self.on_chunk: Callable[[float], None] = lambda _: None
        """Called with each chunk's time on the browser's monotonic clock, the same as ours on the same machine."""
        self.on_sent: Callable[[PageRequest], None] = lambda _: None
        """Called with each prompt that is sent, before any part of its answer can come."""
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
        """Check the requests held from now on by `expected`; call it before the page is made to send."""
        self._expected = expected

    @property
    def open_responses(self) -> int:
        """Return how many responses to prompts are open."""
        return len(self._open)

    def may_repeat(self, number: int) -> bool:
        """Tell whether the page may send the prompt again after a response, or has already done so."""
        if self.channels.sends == 1:
            return False
        # the page reads a refusal at the same time as the bridge, and may be faster
        return 0 < self._prompts < self.channels.sends or number < self._newest

    async def sent(self) -> None:
        """Wait until a request was sent; raise `WrongSend` if one was rejected, or the error that ended the turn.

        A rejection is ignored if another request has passed after it: a page may still send a request of the turn
        before.
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
        """Return the next part of the answer; raise the error that ended the turn."""
        part = await self._parts.get()
        if isinstance(part, BridgeError):
            self._parts.put_nowait(part)  # every later call raises it, too
            raise part
        return part

    async def busy(self) -> None:
        """Wait until a response to a prompt is open."""
        await self._busy.wait()

    async def quiet(self) -> None:
        """Wait until no response to a prompt of this turn is open, or the page is gone."""
        await self._quiet.wait()

    def reject_reasons(self, request: PageRequest) -> Sequence[str]:
        """Return what is wrong with a held request; an accepted one takes its path, and a repeated one is rejected."""
        if self._is_taken(request.path):
            return ("the page tried to send a second time",)
        reasons = self._expected(request)
        if not reasons:
            self._take(request.path)
        return reasons

    def mark_sent(self, request: PageRequest, number: int | None = None) -> None:
        """Record a request as sent, and its response `number`, if it has one, as open; called before it continues."""
        self.passed.append(request)
        with errors_logged("while a decoder processed a prompt"):  # a driver's own code; the request must not stay held
            self.on_sent(request)
        if number is not None:
            self._newest = number
            self._open[number] = request.path
            self._quiet.clear()
            self._busy.set()
        if not self._sent.done():
            self._sent.set_result(None)

    def mark_rejected(self, reasons: Sequence[str]) -> None:
        """Make `sent` raise `WrongSend`; a rejection after the first accepted request is ignored."""
        if not self._sent.done() and not self._prompts:
            self._sent.set_exception(WrongSend(reasons))
            self._sent.exception()  # marks it as retrieved, as `sent` may not be awaited

    def put(self, number: int, part: Part) -> None:
        """Queue the next part of the response to a prompt, unless a newer one is read."""
        if isinstance(part, PageResponse):
            self._read = max(self._read, number)
        has_ended = isinstance(part, ResponseEnded)
        # the end of an older response does not end the answer: a newer request continues it
        if self._read in (0, number) and not (has_ended and number != self._newest):
            self.deliver(part)
        if has_ended and number in self._open:
            self._close(number)

    def deliver(self, part: Part) -> None:
        """Queue a part of the answer from any channel, up to the limit of its size."""
        if isinstance(part, Chunk):
            if self._room < 0:
                return
            self._room -= len(part.data)
            if self._room < 0:
                self.interrupt(SiteError(f"The site's answer has more than {self._most} bytes; the rest was not read."))
                return
        self._parts.put_nowait(part)

    def deliver_whole(self, response: PageResponse, body: bytes) -> None:
        """Queue a whole response that was not held, such as one of the page's history."""
        for part in (response, Chunk(body), ResponseEnded()):
            self.deliver(part)

    def fail(self, error: BridgeError) -> None:
        """End the turn with `error`, as the page or the browser is gone with its responses."""
        self.is_lost = True
        self._quiet.set()
        self.interrupt(error)

    def interrupt(self, error: BridgeError) -> None:
        """End the turn with `error`; its responses stay open until the page is stopped."""
        self._parts.put_nowait(error)
        if self._sent.done() and not self.passed:  # by a rejection that no caller has received
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
