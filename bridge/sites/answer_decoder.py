"""The contract of a decoder: the bytes of one turn's responses in, chat events out, no I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent
from bridge.errors import BridgeError


class Decoder(ABC):
    """The decoder of one turn: turns the bytes of its responses into events.

    Called as `begin (feed* end)` for each response of the turn, in order. Any call may raise a `SiteError`
    that says what the site refused. The last event of a complete answer is `Finish`; an `end` that neither
    raises nor returns `Finish` means that the page may continue the answer with another response.

    A WebSocket counts as a response (`PageResponse.is_socket`): each `feed` is one whole message. Where a driver has
    several channels, their responses may overlap; `select` names the one that the next `feed` or `end` belongs to.
    """

    @property
    def patience(self) -> float | None:
        """Return how many seconds an error may still follow an otherwise complete answer; None before that.

        The caller waits that long for the next bytes, then calls `expired`.
        """
        return None

    def expired(self) -> Sequence[ChatEvent]:
        """Return the last events, after `patience` has passed without another byte."""
        return ()

    @property
    def drift(self) -> Mapping[str, int]:
        """Return how often each unknown shape was received; a shape never holds text."""
        return {}

    def sent(self, request: PageRequest) -> None:  # noqa: B027 - most decoders need neither of the two
        """Record the prompt's request after it passed the gate: its ids tell the turn's answer from others.

        Called before the first `begin`, and again when the page repeats the prompt; never for a recorded stream.
        """

    @abstractmethod
    def begin(self, response: PageResponse) -> None:
        """Start a response; raise if its status or content type is an error."""

    def select(self, response: PageResponse) -> None:  # noqa: B027
        """Switch back to a response that began before another one and is still open."""

    @abstractmethod
    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Decode the next bytes, split anywhere, and return the events that they complete."""

    @abstractmethod
    def end(self) -> Sequence[ChatEvent]:
        """Handle the end of the body and return the last events."""


class DecoderBefore(Decoder):
    """A decoder that forwards every call to another one; a subclass records some of what passes."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def patience(self) -> float | None:
        return self._decoder.patience

    @property
    def drift(self) -> Mapping[str, int]:
        return self._decoder.drift

    def expired(self) -> Sequence[ChatEvent]:
        return self._decoder.expired()

    def sent(self, request: PageRequest) -> None:
        self._decoder.sent(request)

    def begin(self, response: PageResponse) -> None:
        self._decoder.begin(response)

    def select(self, response: PageResponse) -> None:
        self._decoder.select(response)

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        return self._decoder.feed(data)

    def end(self) -> Sequence[ChatEvent]:
        return self._decoder.end()


class DeferredErrorDecoder(Decoder):
    """A decoder that loses no event to an error: an error behind events in the same bytes is raised by the next call.

    `patience` is 0 then, so that the caller calls `expired` at once. A subclass sets `_failure`, calls
    `_raise_failure` before it reads anything, and returns its events through `_events_first`.
    """

    def __init__(self) -> None:
        self._failure: BridgeError | None = None

    @property
    def patience(self) -> float | None:
        """Return 0 while an error is pending."""
        return None if self._failure is None else 0.0

    def expired(self) -> Sequence[ChatEvent]:
        """Raise the pending error."""
        self._raise_failure()
        return ()

    def _events_first(self, events: Sequence[ChatEvent]) -> Sequence[ChatEvent]:
        """Return the events; raise the pending error if there are none."""
        if not events:
            self._raise_failure()
        return events

    def _raise_failure(self) -> None:
        """Raise the pending error, once."""
        if failure := self._failure:
            self._failure = None
            raise failure
