"""What is left of limits on the number of chats and tokens."""

from __future__ import annotations

from dataclasses import dataclass


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
