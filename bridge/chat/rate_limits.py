"""Limits on the number of chats and tokens, and the interface for counting them in a cluster; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

REQUESTS = ("requests_per_minute", "requests_per_day")
TOKENS = ("tokens_per_minute", "tokens_per_day")
WINDOWS = (*REQUESTS, *TOKENS)
"""The names of the limits on a key's usage per time window."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit, how much of it is left, and the seconds until all of it is available again."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits of requests and tokens; None: no limit."""

    requests: RateLimit | None = None
    tokens: RateLimit | None = None


def tighter(*limits: RateLimit | None) -> RateLimit | None:
    """Return the limit with the least left; None if there is none."""
    return min((one for one in limits if one is not None), key=lambda one: one.remaining, default=None)


@dataclass(frozen=True, slots=True)
class Used:
    """The amount that counts in a window now, and the seconds until none of it does."""

    amount: int
    reset: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The limit without room, how much of it is used, and the seconds until it has room."""

    name: str
    used: int
    wait: float


@dataclass(frozen=True, slots=True)
class Late:
    """A count that may or may not have been made; `add` makes it exactly once, by its id."""

    id: str


ANEW = Late("")
"""A count that was not tried yet."""


class SharedUsage(Protocol):
    """The usage of each key on all nodes, by key id; `limits` are given by the names of `WINDOWS`."""

    async def take(
        self, key: str, limits: Mapping[str, int | None], requests: int, tokens: int, needed: int
    ) -> float | Refused | Late:
        """Count requests and tokens if the requests and the `needed` tokens have room; otherwise count nothing.

        Return the time of the count, which `add` takes to give tokens back, or the limit without room. Return a `Late`
        quickly if the shared count does not answer.
        """
        ...

    def add(self, key: str, requests: int, tokens: int, at: float | None = None, late: Late = ANEW) -> None:
        """Count as soon as possible, without checking for room; negative tokens are given back.

        `late` is the result of `take` for the same requests and tokens.
        """
        ...

    def used(self, key: str) -> Mapping[str, Used] | None:
        """Return the last known usage of a key by window; None if nothing is known."""
        ...
