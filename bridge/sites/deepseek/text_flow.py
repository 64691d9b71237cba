"""What is given out of a growing text: everything once (`TextFlow`), neighbouring pieces together (`Outbox`)."""

from __future__ import annotations

from bridge.chat.types import ChatEvent, Text, Thinking


class TextFlow:
    """A text that is given out once, however often the site repeats its beginning.

    After `restart` the text is expected to repeat what is known of it. Where it differs, the common beginning
    counts as repeated and all behind it as new: nothing that the site says is lost, and what was given out
    before is not taken back.
    """

    __slots__ = ("_at", "_known", "_pieces")

    def __init__(self, text: str = "") -> None:
        self._pieces = [text] if text else []
        self._known = ""
        self._at = 0

    def __str__(self) -> str:
        return "".join(self._pieces)

    def restart(self) -> None:
        """Expect the text again from its beginning."""
        self._known = str(self)
        self._pieces = [self._known]
        self._at = 0

    def take(self, piece: str) -> tuple[str, bool]:
        """Take the next piece; return what of it is new, and whether it was as expected."""
        if self._at < len(self._known):
            return self._compare(piece)
        self._pieces.append(piece)
        return piece, True

    def _compare(self, piece: str) -> tuple[str, bool]:
        expected = self._known[self._at : self._at + len(piece)]
        same = _common_beginning(expected, piece)
        self._at += same
        if same < len(expected):
            self._known = self._known[: self._at]
            self._pieces = [self._known]
        new = piece[same:]
        if new:
            self._pieces.append(new)
        return new, same == len(expected)


def _common_beginning(one: str, other: str) -> int:
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


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
        """Return what was collected and begin anew."""
        self._join()
        events, self._events = self._events, []
        return events

    def _join(self) -> None:
        if self._pieces:
            self._events.append(self._kind("".join(self._pieces)))
            self._pieces = []
