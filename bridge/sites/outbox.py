"""Collects the events of an answer between two calls of its decoder."""

from __future__ import annotations

from bridge.chat.types import ChatEvent, Text, Thinking


class Outbox:
    """Collects events; pieces of the same text that come together leave as one."""

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
        """Return what was collected and begin again."""
        self._join()
        events, self._events = self._events, []
        return events

    def _join(self) -> None:
        if self._pieces:
            self._events.append(self._kind("".join(self._pieces)))
            self._pieces = []
