"""Keeps the parts of several channels in their order of arrival while the rest of one of them is fetched.

A page may switch channels in mid-answer: from poll to poll, or from polling to its WebSocket. Fetching the body of an
ended poll may take a call to the browser, and the next channel's parts must not overtake it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Delivery = Callable[[], None]


@dataclass(slots=True)
class _Place:
    """A place in the order with its waiting deliveries; an open one gets more."""

    number: int
    waiting: list[Delivery] = field(default_factory=list)
    is_open: bool = False


class ArrivalOrder:
    """An order that delivers at once unless an earlier channel is held."""

    def __init__(self) -> None:
        self._places: deque[_Place] = deque()

    def hold(self, number: int) -> None:
        """Keep a place for the rest of a channel; later parts of other channels wait behind it."""
        self._places.append(_Place(number, is_open=True))

    def release(self, number: int) -> None:
        """Deliver the waiting parts, as the channel's rest is complete."""
        for place in self._places:
            if place.number == number:
                place.is_open = False
        while self._places and not self._places[0].is_open:
            for deliver in self._places.popleft().waiting:
                deliver()

    def put(self, number: int, deliver: Delivery) -> None:
        """Deliver a part of a channel in order."""
        if not self._places:
            deliver()
            return
        place = next((one for one in self._places if one.is_open and one.number == number), None)
        if place is None:
            place = _Place(number)
            self._places.append(place)
        place.waiting.append(deliver)
