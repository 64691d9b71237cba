"""The order in which waiting chats get accounts: keys take turns, and each key's chats are in order of arrival.

This is weighted round robin by stride scheduling. Each key has a pass. The waiting key with the smallest pass is next;
a chat that gets an account advances its key's pass by one, divided by the key's share. Between two calls these hold:

- only a grant costs a turn: a chat that leaves, or waits for an account that is not free, costs its key nothing;
- unused turns of a key are not saved: its pass counts as no less than that of the last grant.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence

from bridge.chat.caller import Caller
from bridge.pool.lease import Lease


class FairOrder:
    """The passes of the keys."""

    def __init__(self) -> None:
        self._passes: dict[str, float] = {}
        self._last = 0.0
        """The pass at which the last account was granted."""

    def turns(self, waiting: Sequence[Lease]) -> Iterator[Lease]:
        """Yield the chats, the next one first; the caller must report a grant before it takes the next one."""
        lines: dict[str, deque[Lease]] = defaultdict(deque)
        for lease in waiting:
            lines[lease.caller.id].append(lease)
        # Equal passes are decided by the key's oldest chat.
        heap = [(self._pass(key), number, key) for number, key in enumerate(lines)]
        heapq.heapify(heap)
        while heap:
            _, number, key = heapq.heappop(heap)
            yield lines[key].popleft()
            if lines[key]:
                heapq.heappush(heap, (self._pass(key), number, key))

    def granted(self, caller: Caller) -> None:
        """Advance the pass of a key after one of its chats has got an account."""
        self._last = self._pass(caller.id)
        self._passes[caller.id] = self._last + 1 / caller.share
        # A pass that is not ahead counts as the last one anyway; keeping it would store keys forever.
        self._passes = {key: its for key, its in self._passes.items() if its > self._last}

    def planned(self, waiting: Sequence[Lease]) -> list[Lease]:
        """Return the chats in the order in which they would get accounts if each could take any account."""
        trial, order = FairOrder(), []
        trial._passes, trial._last = dict(self._passes), self._last
        for lease in trial.turns(waiting):
            order.append(lease)
            trial.granted(lease.caller)
        return order

    def _pass(self, key: str) -> float:
        return max(self._passes.get(key, 0.0), self._last)


def one_too_many(waiting: Sequence[Lease], newest: Lease) -> Lease:
    """Return the chat that leaves a full queue: the last one of the key with the most waiting chats for its share.

    That is `newest`, the one too many, unless another key has taken more than its part of the queue. A chat that
    already had an account keeps its place.
    """
    counts = Counter(lease.caller.id for lease in waiting)

    def load(lease: Lease) -> float:
        return counts[lease.caller.id] / lease.caller.share

    others = [lease for lease in waiting if not lease.tries and load(lease) > load(newest)]
    most = max(map(load, others), default=0.0)
    return next((lease for lease in reversed(others) if load(lease) == most), newest)
