"""An account's quota: the sends that the settings allow per hour and per day, and what is left of them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from bridge.chat.rate_limits import RateLimit
from bridge.durations import DAY, HOUR
from bridge.settings import PoolSettings


def used(sends: Sequence[float], now: float) -> tuple[int, int]:
    """Return how many of the sends were in the last hour, and in the last day."""
    return len(sends) - bisect_right(sends, now - HOUR), len(sends) - bisect_right(sends, now - DAY)


class Quota:
    """The quota of the settings; `sends` are always the times of one account's sends by `now`, oldest first."""

    def __init__(self, settings: PoolSettings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now

    @property
    def _spans(self) -> list[tuple[int, float]]:
        spans = ((self._settings.turns_per_hour, HOUR), (self._settings.turns_per_day, DAY))
        return [(turns, span) for turns, span in spans if turns is not None]

    def full_until(self, sends: Sequence[float]) -> datetime | None:
        """Return when the account may send again, if its quota of an hour or a day is used up."""
        ends = [sends[-turns] + span for turns, span in self._spans if len(sends) >= turns]
        end = max(ends, default=0.0)
        return datetime.fromtimestamp(end, UTC) if end > self._now() else None

    def left(self, accounts: Sequence[tuple[Sequence[float], bool]]) -> RateLimit | None:
        """Return the remaining quota of several accounts together, given the sends of each and whether it is busy.

        Of the limits per hour and per day, it is the one with less left.
        """
        return min(self._limits(accounts), key=lambda limit: limit.remaining, default=None) if accounts else None

    def _limits(self, accounts: Sequence[tuple[Sequence[float], bool]]) -> Iterator[RateLimit]:
        now = self._now()
        for turns, span in self._spans:
            counted = [[sent for sent in sends if sent > now - span] for sends, _ in accounts]
            used = [len(sent) + busy for sent, (_, busy) in zip(counted, accounts, strict=True)]
            newest = max((sent[-1] for sent in counted if sent), default=now - span)
            newest = now if any(busy for _, busy in accounts) else newest
            remaining = sum(max(turns - number, 0) for number in used)
            yield RateLimit(turns * len(accounts), remaining, newest + span - now)
