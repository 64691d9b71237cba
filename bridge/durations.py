"""Time spans in seconds and in words."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
UNITS = (("year", 365.25 * DAY), ("month", 30.4375 * DAY), ("day", DAY), ("hour", HOUR), ("minute", MINUTE))

SPANS = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
SPAN = re.compile(r"(?P<count>[0-9]{1,5})\s?(?P<unit>[mhdw])")


def ago(moment: datetime) -> str:
    """Return how long ago `moment` was, in words."""
    span = in_words((datetime.now(UTC) - moment).total_seconds())
    return f"{span} ago" if span else "just now"


def in_words(seconds: float) -> str:
    """Return the span in its largest whole unit; empty if less than a minute."""
    for unit, length in UNITS:
        if seconds >= length:
            count = int(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""


def rounded_up(seconds: float) -> str:
    """Return the span in a suitable unit, rounded up."""
    for unit, length in (("hour", HOUR), ("minute", MINUTE)):
        if seconds > 2 * length:
            return f"{math.ceil(seconds / length)} {unit}s"
    count = max(math.ceil(seconds), 1)
    return f"{count} second{'s' if count > 1 else ''}"


def moment_of(text: str, now: datetime, *, is_ahead: bool) -> datetime:
    """Return the moment of a span before or after `now`, such as `7d`, or of an ISO 8601 date or time.

    A date or time without a time zone is in UTC. Raise `ValueError` for anything else.
    """
    if found := SPAN.fullmatch(text.strip().lower()):
        span = timedelta(seconds=int(found["count"]) * SPANS[found["unit"]])
        return now + span if is_ahead else now - span
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
