"""Keeps what several channels bring in the order in which it came, while the rest of one of them is still fetched.

A page may go from one channel to another in mid-answer: from poll to poll, from polling to its WebSocket. The body of
a poll that has ended may take a call to the browser, and what comes by the next channel must not overtake it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Delivery = Callable[[], None]


@dataclass(slots=True)
class _Place:
    """A place in the order: what waits there; one that is open gets more."""

    number: int
    waiting: list[Delivery] = field(default_factory=list)
    is_open: bool = False


class ArrivalOrder:
    """Delivers at once unless an earlier channel is held open."""

    def __init__(self) -> None:
        self._places: deque[_Place] = deque()

    def hold(self, number: int) -> None:
        """Keep a place for the rest of a channel; everything that comes by others from now on stands behind it."""
        self._places.append(_Place(number, is_open=True))

    def release(self, number: int) -> None:
        """Deliver what has waited: the channel has brought its rest."""
        for place in self._places:
            if place.number == number:
                place.is_open = False
        while self._places and not self._places[0].is_open:
            for deliver in self._places.popleft().waiting:
                deliver()

    def put(self, number: int, deliver: Delivery) -> None:
        """Deliver a part of a channel, in its place."""
        if not self._places:
            deliver()
            return
        place = next((one for one in self._places if one.is_open and one.number == number), None)
        if place is None:
            place = _Place(number)
            self._places.append(place)
        place.waiting.append(deliver)
