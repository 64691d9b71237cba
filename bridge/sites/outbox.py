"""Buffers the events of an answer between two calls of its decoder."""

from __future__ import annotations

from bridge.chat.types import ChatEvent, Text, Thinking


class Outbox:
    """A buffer of events that joins consecutive pieces of the same kind of text."""

    def __init__(self) -> None:
        self._events: list[ChatEvent] = []
        self._kind: type[Text] | type[Thinking] = Text
        self._pieces: list[str] = []

    def write(self, kind: type[Text] | type[Thinking], piece: str) -> None:
        """Add a piece of text."""
        if kind is not self._kind:
            self._join()
            self._kind = kind
        if piece:
            self._pieces.append(piece)

    def add(self, event: ChatEvent) -> None:
        """Add an event that is not text."""
        self._join()
        self._events.append(event)

    def empty(self) -> list[ChatEvent]:
        """Return the buffered events and clear the buffer."""
        self._join()
        events, self._events = self._events, []
        return events

    def _join(self) -> None:
        if self._pieces:
            self._events.append(self._kind("".join(self._pieces)))
            self._pieces = []
