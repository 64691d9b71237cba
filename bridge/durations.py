"""Lengths of time: in seconds, and as a person would say them."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
UNITS = (("year", 365.25 * DAY), ("month", 30.4375 * DAY), ("day", DAY), ("hour", HOUR), ("minute", MINUTE))


def ago(moment: datetime) -> str:
    """Return how long ago `moment` was, as a person would say it."""
    span = in_words((datetime.now(UTC) - moment).total_seconds())
    return f"{span} ago" if span else "just now"


def in_words(seconds: float) -> str:
    """Return the span in its largest whole unit, or nothing where it is less than a minute."""
    for unit, length in UNITS:
        if seconds >= length:
            count = int(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""
