"""What sites sent that nobody understood: the same in one entry, the newest entry last; bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from bridge.telemetry import DriftSeen

MOST_DRIFT = 100


class DriftList:
    """The entries."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[DriftSeen, datetime]] = {}

    def __reversed__(self) -> Iterator[tuple[DriftSeen, datetime]]:
        """Yield what was seen, with when it was last, the newest first."""
        return iter(reversed(self._known.values()))

    def add(self, fact: DriftSeen) -> None:
        """Count the same drift in one entry."""
        key = fact.site, fact.shape
        earlier = self._known.pop(key, None)
        count = fact.count + (earlier[0].count if earlier else 0)
        self._known[key] = DriftSeen(fact.site, fact.shape, count), datetime.now(UTC)
        if len(self._known) > MOST_DRIFT:
            del self._known[next(iter(self._known))]
