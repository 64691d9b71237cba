"""What an error means for the account it happened on; decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
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
    SiteChanged,
    SiteError,
    StorageError,
)
from bridge.telemetry import WorkerState

REST = 90.0
"""Seconds; a rate limit of the site clears within one to three minutes."""
SHORT = 1 / 6
"""The share of a rest that a busy site is given."""
MUTE = timedelta(hours=24)
"""The usual first mute, where the site does not name its end."""
LOOK_AGAIN = timedelta(minutes=10)
BACKOFF = (0.0, 0.5, 2.0, 10.0, 30.0)
"""Seconds before a broken account is opened again, by how often in a row it broke; the last one repeats."""

CHANGED = (5.0, 60.0, 300.0)
"""The same where the page itself is not what the driver knows: that seldom ends by itself."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The account's next state; at `until` it is looked at again, and without one only a new login helps."""

    state: WorkerState
    until: datetime | None


def fate(error: BridgeError, fails: int = 0, rest: float = REST) -> Fate | None:
    """Return what becomes of an account after `error`, its `fails`-th in a row; None: it stays as it is.

    `rest` is how many seconds it is left alone after a refusal for which the site names no time.
    """
    now = datetime.now(UTC)
    after = timedelta(seconds=error.retry_after) if error.retry_after else None
    match error:
        case LoginRequired():
            return Fate(WorkerState.LOGGED_OUT, None)
        case HumanNeeded():
            return Fate(WorkerState.CHALLENGED, now + LOOK_AGAIN)
        case Muted():
            return Fate(WorkerState.MUTED, error.until or now + (after or MUTE))
        case RateLimited() | SiteBusy():
            pause = timedelta(seconds=rest * (1 if isinstance(error, RateLimited) else SHORT))
            return Fate(WorkerState.RESTING, error.until or now + (after or pause))
        case RequestError() | PoolError() | StorageError():
            return None
        case SiteError() if type(error) is SiteError:
            return None
        case SiteChanged() if not error.sent:
            return Fate(WorkerState.BROKEN, now + _pause(CHANGED, fails))
        case _:
            return Fate(WorkerState.BROKEN, now + _pause(BACKOFF, fails))


def _pause(pauses: Sequence[float], fails: int) -> timedelta:
    return timedelta(seconds=pauses[min(fails, len(pauses) - 1)])
