"""Parts of the sites' data that the decoders did not recognize: counted by shape, the newest last, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from bridge.telemetry import DriftSeen

MOST_DRIFT = 100


class DriftList:
    """The drift seen since the start."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[DriftSeen, datetime]] = {}

    def __reversed__(self) -> Iterator[tuple[DriftSeen, datetime]]:
        """Yield each entry and when it was last seen, the newest first."""
        return iter(reversed(self._known.values()))

    def add(self, fact: DriftSeen) -> None:
        """Add drift; the same shape of the same site counts in one entry."""
        key = fact.site, fact.shape
        earlier = self._known.pop(key, None)
        count = fact.count + (earlier[0].count if earlier else 0)
        self._known[key] = DriftSeen(fact.site, fact.shape, count), datetime.now(UTC)
        if len(self._known) > MOST_DRIFT:
            del self._known[next(iter(self._known))]
