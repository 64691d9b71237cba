"""Each account's encrypted login and record, kept in Redis for the next node that takes the account.

Every write of an owner carries its fence, and Redis refuses a fence smaller than the last. A new owner writes its own
fence first (`take`), so that no write of an earlier owner can follow what it has read. A login that a person has made
needs no lease; the later of two logins counts.

The hash `{account}:data` has the fields `fence`, `saved` (milliseconds), `sealed`, `record`, and `removed` where the
account was removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.cluster.redis_link import RedisLink, Script

TAKE = Script(
    """
if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[1]) then return {} end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
return redis.call('HMGET', KEYS[1], 'saved', 'sealed', 'record')
"""
)
OFFER = Script(
    """
local found = redis.call('HMGET', KEYS[1], 'fence', 'saved', 'removed')
local fence, saved = tonumber(ARGV[1]), tonumber(ARGV[2])
if found[3] and saved <= tonumber(found[3]) then return 'removed' end
if fence > 0 and tonumber(found[1] or '0') > fence then return 'late' end
if found[2] and saved <= tonumber(found[2]) then return 'known' end
redis.call('HSET', KEYS[1], 'saved', ARGV[2], 'sealed', ARGV[3])
redis.call('HDEL', KEYS[1], 'removed')
return 'taken'
"""
)
NOTE = Script(
    """
if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'record', ARGV[2])
return 1
"""
)
REMOVE = Script(
    """
if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[1]) then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'removed', string.format('%.0f', time[1] * 1000 + time[2] / 1000))
redis.call('HDEL', KEYS[1], 'saved', 'sealed', 'record')
return 1
"""
)


@dataclass(frozen=True, slots=True)
class SharedAccount:
    """An account in Redis: its sealed login, saved at `saved` in Unix milliseconds, and its record."""

    saved: int
    sealed: bytes
    record: bytes


class SharedAccounts:
    """The accounts in Redis."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def names(self) -> set[str]:
        """Return the names of all accounts."""
        return await self._link.members(self._link.of_cluster("accounts"))

    async def take(self, account: str, fence: int) -> SharedAccount | None:
        """Write the fence of the new owner, and return the account; None if a later owner has written one."""
        found: Sequence[bytes | None] = await self._link.run(TAKE, [self._key(account)], fence)
        if not found:
            return None
        saved, sealed, record = found
        return SharedAccount(int(saved or 0), sealed or b"", record or b"")

    async def saved(self, account: str) -> int:
        """Return the time of the stored login in Unix milliseconds; 0 if there is none."""
        return int((await self._link.fields(self._key(account), "saved"))["saved"] or 0)

    async def login(self, account: str) -> SharedAccount:
        """Return the stored login without taking the account."""
        found = await self._link.fields(self._key(account), "saved", "sealed")
        return SharedAccount(int(found["saved"] or 0), found["sealed"] or b"", b"")

    async def offer(self, account: str, saved: int, sealed: bytes, fence: int = 0) -> str:
        """Store a login under the owner's fence, or under none if a person made it.

        Return `taken`; `known` if that or a later one is stored; `late` if the fence is smaller than the last; or
        `removed` if the account was removed after the login was made.
        """
        answer: bytes = await self._link.run(OFFER, [self._key(account)], fence, saved, sealed)
        if answer in (b"taken", b"known"):
            await self._link.add_member(self._link.of_cluster("accounts"), account)
        return answer.decode()

    async def note(self, account: str, fence: int, record: bytes) -> bool:
        """Store the account's record; return False if the fence is smaller than the last."""
        return bool(await self._link.run(NOTE, [self._key(account)], fence, record))

    async def remove(self, account: str, fence: int) -> bool:
        """Remove the account and every login made up to now; return False as in `note`."""
        is_removed = bool(await self._link.run(REMOVE, [self._key(account)], fence))
        if is_removed:
            await self._link.remove_member(self._link.of_cluster("accounts"), account)
        return is_removed

    def _key(self, account: str) -> str:
        return self._link.of_account(account, "data")
