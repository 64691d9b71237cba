"""What an error means for the account it happened on; decided here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.errors import (
    BridgeError,
    HumanNeeded,
    LoginRequired,
    Muted,
    PoolError,
    RateLimited,
    RequestError,
    SiteBusy,
    SiteError,
)
from bridge.telemetry import WorkerState

REST = timedelta(seconds=90)
"""A rate limit of the site clears within one to three minutes."""
SHORT_REST = timedelta(seconds=15)
MUTE = timedelta(hours=24)
"""The usual first mute, where the site does not name its end."""
LOOK_AGAIN = timedelta(minutes=10)
BACKOFF = (0.0, 0.5, 2.0, 10.0, 30.0)
"""Seconds before a broken account is opened again, by how often in a row it broke; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The account's next state; at `until` it is looked at again, and without one only a new login helps."""

    state: WorkerState
    until: datetime | None


def fate(error: BridgeError, fails: int = 0) -> Fate | None:
    """Return what becomes of an account after `error`, its `fails`-th in a row; None: it stays as it is."""
    now = datetime.now(UTC)
    after = timedelta(seconds=error.retry_after) if error.retry_after else None
    match error:
        case LoginRequired():
            return Fate(WorkerState.LOGGED_OUT, None)
        case HumanNeeded():
            return Fate(WorkerState.CHALLENGED, now + LOOK_AGAIN)
        case Muted():
            return Fate(WorkerState.MUTED, error.until or now + (after or MUTE))
        case RateLimited():
            return Fate(WorkerState.RESTING, error.until or now + (after or REST))
        case SiteBusy():
            return Fate(WorkerState.RESTING, error.until or now + (after or SHORT_REST))
        case RequestError() | PoolError():
            return None
        case SiteError() if type(error) is SiteError:
            return None
        case _:
            return Fate(WorkerState.BROKEN, now + timedelta(seconds=BACKOFF[min(fails, len(BACKOFF) - 1)]))
