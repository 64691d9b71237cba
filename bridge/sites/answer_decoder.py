"""What turns the bytes of one turn's responses into events, without I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent
from bridge.errors import BridgeError


class Decoder(ABC):
    """Turns the bytes of one turn's responses into events.

    Called as `begin (feed* end)` for each response of the turn, in order. Any call may raise a `SiteError`
    that says what the site refused. The last event of a complete answer is `Finish`; an `end` that neither
    raised nor gave `Finish` means that the page may go on with another response.

    A WebSocket is a response, too (`PageResponse.is_socket`): each `feed` is one message of it, whole. Where a driver
    has several channels, their responses may overlap; `select` tells which one the next `feed` or `end` is of.
    """

    @property
    def patience(self) -> float | None:
        """Return the seconds in which an error may still follow an answer that is over but for that; else None.

        The caller waits no longer than that for the next part, and then calls `expired`.
        """
        return None

    def expired(self) -> Sequence[ChatEvent]:
        """Take that nothing has followed within the patience, and return the last events."""
        return ()

    @property
    def drift(self) -> Mapping[str, int]:
        """Return what was met and not understood: a shape (never a text) and how often."""
        return {}

    def sent(self, request: PageRequest) -> None:  # noqa: B027 - most decoders need neither of the two
        """Take the request that carries the prompt, once it has passed: its ids tell the turn's answer from others.

        Called before the first `begin`, and again where the page repeats the prompt; never for a recorded stream.
        """

    @abstractmethod
    def begin(self, response: PageResponse) -> None:
        """Start a response; judge its status and content type."""

    def select(self, response: PageResponse) -> None:  # noqa: B027
        """Go on with a response that was begun before another one, and that is still open."""

    @abstractmethod
    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes, cut anywhere, and return the events that they complete."""

    @abstractmethod
    def end(self) -> Sequence[ChatEvent]:
        """Take the end of the body and return the last events."""


class DecoderBefore(Decoder):
    """A decoder that passes all it is given on to another one; a subclass notes some of it on the way."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def patience(self) -> float | None:
        """Return how long an error may follow."""
        return self._decoder.patience

    @property
    def drift(self) -> Mapping[str, int]:
        """Return what was not understood."""
        return self._decoder.drift

    def expired(self) -> Sequence[ChatEvent]:
        """Take that none has followed."""
        return self._decoder.expired()

    def sent(self, request: PageRequest) -> None:
        """Take the prompt's request."""
        self._decoder.sent(request)

    def begin(self, response: PageResponse) -> None:
        """Start a response."""
        self._decoder.begin(response)

    def select(self, response: PageResponse) -> None:
        """Go on with a response."""
        self._decoder.select(response)

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        return self._decoder.feed(data)

    def end(self) -> Sequence[ChatEvent]:
        """Take the end of the body."""
        return self._decoder.end()


class DeferredErrorDecoder(Decoder):
    """A decoder that loses no event to an error: one that follows events in the same bytes is raised by the next call.

    That may be `expired`, at once: nothing more needs to come. A subclass sets `_failure`, calls `_raise_failure`
    before it takes anything, and returns events by `_events_first`.
    """

    def __init__(self) -> None:
        self._failure: BridgeError | None = None

    @property
    def patience(self) -> float | None:
        """Return no time at all while an error is due."""
        return None if self._failure is None else 0.0

    def expired(self) -> Sequence[ChatEvent]:
        """Raise the error that is due."""
        self._raise_failure()
        return ()

    def _events_first(self, events: Sequence[ChatEvent]) -> Sequence[ChatEvent]:
        """Return the events; raise the failure where there are none."""
        if not events:
            self._raise_failure()
        return events

    def _raise_failure(self) -> None:
        """Raise the failure once."""
        if failure := self._failure:
            self._failure = None
            raise failure
