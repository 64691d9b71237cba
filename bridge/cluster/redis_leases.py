"""Leases in Redis or Valkey: each change is one script on one account's keys, which share a slot in a Redis Cluster.

The keys of an account, with the prefix of the cluster and the account in braces: `lease` is `<holder>|<fence>` and
expires, `fence` is the last one issued, `known` is `<run>|<time>`: since when this run of Redis knows the account.
A Redis that was restarted, or a replica that has taken over, may lack the last writes; so it grants no lease on an
account for the length of a lease, in which the owner renews, or stops by its own clock.

Redis expires leases by its wall clock. If that jumps forward, leases expire too early: a node that acquires one names
the latest time that the clock may show, and waits as above if it shows more (`cluster_clock`). If it jumps back, leases
expire too late: `end_in_time` shortens those that no node renews.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from bridge.cluster.cluster_clock import ClusterClock
from bridge.cluster.lease_store import MILLISECONDS, HeldBy
from bridge.cluster.redis_link import RedisLink, Script

KNOWN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-'
local known, since = string.match(redis.call('GET', KEYS[3]) or '', '^(.*)|(%d+)$')
if known ~= run or now < tonumber(since) then
  redis.call('SET', KEYS[3], run .. '|' .. string.format('%.0f', now))
  since = now
end
"""
"""Reads since when this run of Redis knows the account; starts again if its clock has jumped back."""
ACQUIRE = Script(
    KNOWN
    + """
if now < tonumber(since) + tonumber(ARGV[2]) or (ARGV[3] ~= '' and now > tonumber(ARGV[3])) then return '' end
local lease, mine = redis.call('GET', KEYS[1]), ARGV[1] .. '|'
if lease and string.sub(lease, 1, #mine) ~= mine then return '' end
if lease then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return string.sub(lease, #mine + 1)
end
local fence = string.format('%.0f', math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now))
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], mine .. fence, 'PX', ARGV[2])
return fence
"""
)
"""Returns the fence, or an empty string if the account is taken or has not been known for the length of a lease.

The last argument is the latest time in milliseconds that Redis' clock can show unless it has jumped forward."""
RENEW = Script(
    KNOWN
    + """
local mine, lease = ARGV[1] .. '|' .. ARGV[3], redis.call('GET', KEYS[1])
if lease == mine then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if lease or tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], mine, 'PX', ARGV[2])
return 1
"""
)
"""Renews a lease, even one that Redis has lost: while no later fence was issued, no other node had the account.

It also makes the account known to Redis, so that a drain long after a restart of Redis does not wait for that.
"""
RELEASE = Script(
    """
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. '|' .. ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])
"""
)
CUT = Script(
    """
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[1]) then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 0
"""
)


class RedisLeases:
    """Leases of `seconds` in the Redis of `link`, whose clock `clock` watches; see `LeaseStore`."""

    def __init__(self, link: RedisLink, seconds: float, clock: ClusterClock | None = None) -> None:
        self.seconds = seconds
        self._link = link
        self._clock = clock if link.has_one_clock else None
        self._left_since: dict[str, float] = {}
        self._milliseconds = int(seconds * MILLISECONDS)

    async def acquire(self, account: str, holder: str) -> int | None:
        """Acquire a free account; see `LeaseStore`."""
        if self._clock is not None and not self._clock.is_calm:
            return None
        latest = None if self._clock is None else self._clock.latest
        most = "" if latest is None else int(latest * MILLISECONDS)
        given = await self._link.run(ACQUIRE, self._keys(account), holder, self._milliseconds, most)
        return int(given) if given else None

    async def renew(self, account: str, holder: str, fence: int) -> bool:
        """Renew a lease; see `LeaseStore`."""
        return bool(await self._link.run(RENEW, self._keys(account), holder, self._milliseconds, fence))

    async def release(self, account: str, holder: str, fence: int) -> bool:
        """Release a lease; see `LeaseStore`."""
        return bool(await self._link.run(RELEASE, self._keys(account)[:1], holder, fence))

    async def holders(self, accounts: Collection[str]) -> Mapping[str, HeldBy]:
        """Return the holders of these accounts; see `LeaseStore`."""
        names = list(accounts)
        leases = await self._link.get_all([self._keys(account)[0] for account in names])
        found = {account: lease for account, lease in zip(names, leases, strict=True) if lease}
        return {account: _held_by(lease) for account, lease in found.items()}

    async def end_in_time(self, left: Collection[str]) -> None:
        """Shorten the leases of accounts that no node reports to at most their normal length; call it at each step.

        A lease lasts longer if Redis' clock has jumped back meanwhile.
        """
        now = time.monotonic()
        self._left_since = {name: self._left_since.get(name, now) for name in left}
        for name, since in self._left_since.items():
            if now > since + self.seconds:
                await self._link.run(CUT, self._keys(name)[:1], self._milliseconds)

    def _keys(self, account: str) -> list[str]:
        return [self._link.of_account(account, part) for part in ("lease", "fence", "known")]


def _held_by(lease: bytes) -> HeldBy:
    holder, _, fence = lease.decode(errors="replace").rpartition("|")
    return HeldBy(holder, int(fence) if fence.isdigit() else 0)
