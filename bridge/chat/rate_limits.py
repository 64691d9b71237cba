"""What is left of limits on the number of chats and tokens, and what several nodes count together of them; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

REQUESTS = ("requests_per_minute", "requests_per_day")
TOKENS = ("tokens_per_minute", "tokens_per_day")
WINDOWS = (*REQUESTS, *TOKENS)
"""The names of the limits on what a key uses in a time."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much is allowed, how much of it is left, and the seconds until all of it is there again."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What is left of requests and of tokens, where something limits them."""

    requests: RateLimit | None = None
    tokens: RateLimit | None = None


def tighter(*limits: RateLimit | None) -> RateLimit | None:
    """Return the limit of which least is left; None where there is none."""
    return min((one for one in limits if one is not None), key=lambda one: one.remaining, default=None)


@dataclass(frozen=True, slots=True)
class Used:
    """How much counts of a window now, and the seconds until nothing of that does any more."""

    amount: int
    reset: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The limit that has no room, how much of it is used, and the seconds until there is room."""

    name: str
    used: int
    wait: float


@dataclass(frozen=True, slots=True)
class Late:
    """A count of which nobody can say yet whether it was made; `add` makes it once, by its id."""

    id: str


ANEW = Late("")
"""A count that nobody has tried to make."""


class SharedUsage(Protocol):
    """What all nodes together count of each key, by its id; `limits` are given by the names of `WINDOWS`."""

    async def take(
        self, key: str, limits: Mapping[str, int | None], requests: int, tokens: int, needed: int
    ) -> float | Refused | Late:
        """Count requests and tokens if these requests, and the `needed` tokens, have room; count nothing otherwise.

        Return the time under which they count, which `add` takes to give tokens back; a `Late`, soon, where the other
        nodes cannot be asked.
        """
        ...

    def add(self, key: str, requests: int, tokens: int, at: float | None = None, late: Late = ANEW) -> None:
        """Count as soon as that can be, without asking for room; negative tokens are given back.

        `late` is what `take` has returned for the same requests and tokens.
        """
        ...

    def used(self, key: str) -> Mapping[str, Used] | None:
        """Return what was known of the key's windows of late; None where nothing is."""
        ...
