"""Counts the requests and tokens of each API key on all nodes over the last minute and the last 24 hours.

The windows are those of `usage_windows`: steps of a second or a minute, each of which counts until its last moment is
as old as the window. A window is a hash in Redis with a field for each step, and `total`, `first` and `last`. One
script drops the expired steps, checks the room in all windows, and counts in all of them or in none, by Redis' clock.
Each step is added and dropped once, so the cost of a request does not grow with their number. An unused window expires.

If Redis does not answer within `LIMIT` seconds, each node uses its own count, and sends that count afterwards. A
call without an answer may have counted all the same, so each count has an id that makes repeating it safe.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from loguru import logger

from bridge.chat.rate_limits import ANEW, WINDOWS, Late, Refused, Used
from bridge.cluster.redis_link import RedisLink, Script
from bridge.errors import ClusterUnavailable
from bridge.tasks import Tasks

LIMIT = 0.5
"""Seconds that a chat waits for Redis."""
PAUSE = 1.0
"""Seconds without calls after one that Redis did not answer."""
KNOWN_FOR = 120
"""Seconds for which Redis keeps the id of a count; one that is repeated later may be counted twice."""
CLOSE_LIMIT = 5.0
"""Seconds in which a stopping node sends the waiting counts."""
MOST_WAITING = 10_000
"""Counts that may wait for Redis; beyond them the oldest is dropped."""
REFRESH = 2.0
"""Seconds between two reads of the other nodes' counts, for display only."""
MOST_REFRESHED = 200
"""Keys that each of these reads covers, the ones last used on this node first."""

TAKE = Script(
    """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local spans, steps = {60, 86400, 60, 86400}, {1, 60, 1, 60}
local amounts = {tonumber(ARGV[1]), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[2])}
local needs = {amounts[1], amounts[1], tonumber(ARGV[3]), tonumber(ARGV[3])}
local at = tonumber(ARGV[4]) or now
local earlier = redis.call('GET', KEYS[5])
if earlier then at, amounts, needs = tonumber(earlier), {0, 0, 0, 0}, {0, 0, 0, 0} end
local firsts, lasts, totals, refused, wait = {}, {}, {}, 0, 0
for n = 1, 4 do
  local key, over = KEYS[n], math.floor((now - spans[n]) / steps[n] - 1)
  local found = redis.call('HMGET', key, 'first', 'last', 'total')
  local first, last, total = tonumber(found[1]), tonumber(found[2]), tonumber(found[3])
  if not (first and last and total) or last <= over then
    redis.call('DEL', key)
    first, last, total = nil, nil, 0
  elseif first <= over then
    while first <= over do
      local amount = redis.call('HGET', key, first)
      if amount then total = total - tonumber(amount); redis.call('HDEL', key, first) end
      first = first + 1
    end
    redis.call('HSET', key, 'first', first, 'total', string.format('%.0f', total))
  end
  firsts[n], lasts[n], totals[n] = first, last, total
  local limit = not earlier and tonumber(ARGV[4 + n])
  local more = limit and total + needs[n] - limit or 0
  if refused == 0 and more > 0 then
    refused, wait = n, spans[n] + steps[n]
    local step = first
    while step and step <= last and more > 0 do
      more = more - tonumber(redis.call('HGET', key, step) or '0')
      step = step + 1
      wait = step * steps[n] + spans[n] - now
    end
  end
end
local answer = {refused, string.format('%.0f', wait * 1000), string.format('%.6f', at)}
for n = 1, 4 do
  local key, step = KEYS[n], math.floor(at / steps[n])
  if refused == 0 and amounts[n] ~= 0 and (step + 1) * steps[n] + spans[n] > now then
    totals[n] = totals[n] + amounts[n]
    firsts[n], lasts[n] = math.min(firsts[n] or step, step), math.max(lasts[n] or step, step)
    redis.call('HINCRBY', key, step, string.format('%.0f', amounts[n]))
    redis.call('HSET', key, 'first', firsts[n], 'last', lasts[n], 'total', string.format('%.0f', totals[n]))
    redis.call('EXPIRE', key, spans[n] + 2 * steps[n])
  end
  answer[#answer + 1] = string.format('%.0f', totals[n])
  local ends = lasts[n] and (lasts[n] + 1) * steps[n] + spans[n] - now or 0
  answer[#answer + 1] = string.format('%.0f', math.max(ends, 0) * 1000)
end
if refused == 0 and (amounts[1] ~= 0 or amounts[3] ~= 0) then
  redis.call('SET', KEYS[5], answer[3], 'EX', ARGV[9])
end
return answer
"""
)
"""Returns the number of the window without room (0 if none), the milliseconds until it has room, the time of the count,
and for each window its total and the milliseconds until it is empty. An amount whose step has expired is not counted.
The last key is the id of the count: a count that was made before is not repeated, and keeps its time."""


class RedisUsage:
    """The usage of keys in Redis; see `SharedUsage`. `keys` returns the ids of all keys."""

    def __init__(self, link: RedisLink, keys: Callable[[], Iterable[str]] = tuple, pause: float = PAUSE) -> None:
        self._link = link
        self._pause = pause
        self.close_limit = CLOSE_LIMIT
        self.keys = keys
        self._known: dict[str, tuple[float, Mapping[str, Used]]] = {}
        """The last known usage of each key, with the monotonic time of it."""
        self._waiting: dict[tuple[str, float | None, str], tuple[int, int]] = {}
        """Waiting requests and tokens by key, time, and the id of a count that may have been made."""
        self._has_waiting = asyncio.Event()
        self._away_until = 0.0
        self._tasks = Tasks()

    def start(self) -> None:
        """Start to send the waiting counts, and to read those of other nodes."""
        self._tasks.keep(self._keep_sending)
        self._tasks.keep(self._refresh)

    async def close(self) -> None:
        """Stop, and send the waiting counts if Redis answers."""
        await self._tasks.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.close_limit):
                await self._send_all()

    async def take(
        self, key: str, limits: Mapping[str, int | None], requests: int, tokens: int, needed: int
    ) -> float | Refused | Late:
        """Count a request if there is room; see `SharedUsage`."""
        if self._is_away:
            return ANEW
        late = Late(secrets.token_hex(8))
        taken = await self._asked(key, limits, requests, tokens, needed, id=late.id)
        return late if taken is None else taken

    def add(self, key: str, requests: int, tokens: int, at: float | None = None, late: Late = ANEW) -> None:
        """Add a count that is sent soon; see `SharedUsage`."""
        if not (requests or tokens):
            return
        before = self._waiting.pop((key, at, late.id), (0, 0))
        self._waiting[key, at, late.id] = before[0] + requests, before[1] + tokens
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._has_waiting.set()

    def used(self, key: str) -> Mapping[str, Used] | None:
        """Return the last known usage; see `SharedUsage`."""
        if (found := self._known.get(key)) is None:
            return None
        passed = time.monotonic() - found[0]
        left = {name: Used(one.amount, one.reset - passed) for name, one in found[1].items()}
        return {name: one if one.reset > 0 else Used(0, 0.0) for name, one in left.items()}

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    async def _asked(
        self,
        key: str,
        limits: Mapping[str, int | None],
        requests: int,
        tokens: int,
        needed: int,
        at: float | None = None,
        id: str = "",  # noqa: A002
    ) -> float | Refused | None:
        """Return Redis' answer; None if there is none, in which case it may have counted or not."""
        if self._is_away:
            return None
        places = [self._link.of_cluster(f"usage:{{{key}}}:{name}") for name in WINDOWS]
        places.append(self._link.of_cluster(f"usage:{{{key}}}:count:{id}"))
        given = ["" if (limit := limits.get(name)) is None else limit for name in WINDOWS]
        try:
            async with asyncio.timeout(LIMIT):
                answer = await self._link.run(
                    TAKE, places, requests, tokens, needed, "" if at is None else at, *given, KNOWN_FOR
                )
        except (ClusterUnavailable, TimeoutError) as error:
            self._lost(error)
            return None
        return self._read(key, [float(one) for one in answer])

    def _read(self, key: str, answer: Sequence[float]) -> float | Refused:
        refused, wait, at, *windows = answer
        pairs = zip(WINDOWS, windows[::2], windows[1::2], strict=True)
        found = {name: Used(int(amount), reset / 1000) for name, amount, reset in pairs}
        self._known.pop(key, None)
        self._known[key] = time.monotonic(), found
        if len(self._known) > MOST_WAITING:
            del self._known[next(iter(self._known))]
        if not refused:
            return at
        name = WINDOWS[int(refused) - 1]
        return Refused(name, found[name].amount, wait / 1000)

    def _lost(self, error: Exception) -> None:
        if self._away_until + self._pause < time.monotonic():
            why = error.message if isinstance(error, ClusterUnavailable) else "it does not answer in time"
            logger.warning("This node applies the limits of keys by its own count alone, as Redis failed: {}", why)
        self._away_until = time.monotonic() + self._pause

    async def _keep_sending(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            if not await self._send_all():
                await asyncio.sleep(self._pause)
                self._has_waiting.set()

    async def _send_all(self) -> bool:
        """Send the waiting counts; tell whether all of them were counted."""
        while self._waiting:
            if self._is_away:  # counts that were never sent need no id, so there is one per key
                return False
            place = key, at, id_ = next(iter(self._waiting))
            requests, tokens = self._waiting.pop(place)
            late = Late(id_ or secrets.token_hex(8))
            answer = None
            try:
                answer = await self._asked(key, {}, requests, tokens, 0, at, late.id)
            finally:
                if answer is None:  # also when cancelled
                    self.add(key, requests, tokens, at, late)
            if answer is None:
                return False
        return True

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            last = [*reversed(self._known)]
            wanted: dict[str, Any] = dict.fromkeys([*last, *self.keys()])
            for key in [*wanted][:MOST_REFRESHED]:
                await self._asked(key, {}, 0, 0, 0)
