"""One turn's requests and responses: which requests may leave the browser, and the parts of the answer in order.

`Interceptor` holds the page's requests and taps their responses; this module has the turn's own state, and no I/O.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.errors import BridgeError

RequestCheck = Callable[[PageRequest], Sequence[str]]
"""Returns what is wrong with a held request; nothing means that it may leave the browser."""


def nothing_expected(_: PageRequest) -> Sequence[str]:
    """Reject every request: the page was not asked to send anything yet."""
    return ("the page was not asked to send anything yet",)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the response that is being read, as they arrived."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """The response is over; `failure` says how it broke off, if it did."""

    failure: str | None = None


Part = PageResponse | Chunk | ResponseEnded


class WrongSend(Exception):
    """The page wanted to send something else than it was asked to; nothing left the browser."""


class Exchange:
    """The requests and responses of one turn. Call `expect`, wait for `sent`, then `receive` part by part.

    The first request carries the prompt and is sent once. A request to another path continues its answer or repeats
    it, and may be sent again when its last response has ended. Once a newer response has begun, older ones are dropped.
    """

    def __init__(self, expected: RequestCheck = nothing_expected) -> None:
        self.passed: list[PageRequest] = []
        self.open_responses = 0
        self.is_lost = False
        self.on_chunk: Callable[[float], None] = lambda _: None
        """Called with each chunk's time on the browser's monotonic clock, which is ours on the same machine."""
        self._expected = expected
        self._first_path = self._newest_path = ""
        # paths that may not be sent to now: that of the prompt for good, any other one while its response is open
        self._taken_paths: set[str] = set()
        # the path whose response is being read: of two open responses only the newer one is the answer
        self._read_path: str | None = None
        self._sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts: asyncio.Queue[Part | BridgeError] = asyncio.Queue()
        self._busy, self._quiet = asyncio.Event(), asyncio.Event()
        self._quiet.set()

    def expect(self, expected: RequestCheck) -> None:
        """Let `expected` judge the requests that are held from now on; call it before the page is made to send."""
        self._expected = expected

    async def sent(self) -> None:
        """Return once a request was sent; raise `WrongSend` if one was rejected, or what ended the turn."""
        try:
            await asyncio.shield(self._sent)
        except WrongSend:  # the next try waits for its own request
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
        """Return when a response is open."""
        await self._busy.wait()

    async def quiet(self) -> None:
        """Return when no response of this turn is open any more, or the page is gone."""
        await self._quiet.wait()

    def reject_reasons(self, request: PageRequest) -> Sequence[str]:
        """Return what is wrong with a held request; if nothing is, its path is taken, and a second one is rejected."""
        path = request.path
        if path in self._taken_paths:
            return ("the page wanted to send a second time",)
        reasons = self._expected(request)
        if not reasons:
            self._first_path = self._first_path or path
            self._taken_paths.add(path)
        return reasons

    def mark_sent(self, request: PageRequest) -> None:
        """Count a request as sent, and its response as open; called before the browser lets it go."""
        self.passed.append(request)
        self._newest_path = request.path
        self.open_responses += 1
        self._quiet.clear()
        self._busy.set()
        if not self._sent.done():
            self._sent.set_result(None)

    def mark_rejected(self, reasons: Sequence[str]) -> None:
        """Let `sent` raise `WrongSend`; after the first request was accepted, a rejected one is nobody's concern."""
        if not self._sent.done() and not self._taken_paths:
            self._sent.set_exception(WrongSend("; ".join(reasons)))
            self._sent.exception()  # marks it as retrieved: nobody may be waiting

    def put(self, path: str, part: Part) -> None:
        """Queue the next part of the response from `path`, if that is the one that is read."""
        if isinstance(part, PageResponse):
            self._read_path = path
        has_ended = isinstance(part, ResponseEnded)
        # the end of an older response is no end of the answer: a newer request goes on with it
        if self._read_path in (None, path) and not (has_ended and path != self._newest_path):
            self._parts.put_nowait(part)
        if has_ended:
            if path != self._first_path:
                self._taken_paths.discard(path)
            self.open_responses -= 1
            if self.open_responses == 0:
                self._quiet.set()
                self._busy.clear()

    def deliver_whole(self, response: PageResponse, body: bytes) -> None:
        """Queue a whole response that was never held, such as one of the page's history."""
        for part in (response, Chunk(body), ResponseEnded()):
            self._parts.put_nowait(part)

    def fail(self, error: BridgeError) -> None:
        """End the turn with `error`: the page or the browser is gone, and its responses with it."""
        self.is_lost = True
        self._quiet.set()
        self.interrupt(error)

    def interrupt(self, error: BridgeError) -> None:
        """End the turn with `error`; its responses stay open until the page is stopped, as after a client has left."""
        self._parts.put_nowait(error)
        if not self._sent.done():
            self._sent.set_exception(error)
            self._sent.exception()
