"""Keeps the profiles on this node's disk and those in Redis in sync: the later of two logins of an account wins.

Times are the cluster's. A login saved from a node's page goes to Redis under that node's fence, even after the lease;
one that a person made needs no fence. A login that `bridge login` has just made has the time of this machine's clock,
which may be wrong, so it is saved again with the cluster's time. No login counts as later than now, so a wrong clock
cannot keep later logins out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from loguru import logger

from bridge.cluster.cluster_clock import ClusterClock
from bridge.cluster.held_leases import HeldLeases
from bridge.cluster.lease_store import MILLISECONDS
from bridge.cluster.shared_accounts import SharedAccount, SharedAccounts
from bridge.errors import SetupError
from bridge.storage.profiles import Profile, ProfileStore, Stamp

JUST_NOW = 60.0
"""Age in seconds up to which a login that appears on disk counts as just made."""
NANOSECONDS = 1e9


class ProfileSync:
    """The profiles of one node; `bound` are the accounts whose login is in a browser's folder and cannot move."""

    def __init__(self, store: ProfileStore, shared: SharedAccounts, leases: HeldLeases, clock: ClusterClock) -> None:
        self._store = store
        self._shared = shared
        self._leases = leases
        self._clock = clock
        self._has_looked = False
        self._seen: dict[str, Stamp | None] = {}
        self._saved: dict[str, int] = {}
        self.bound: set[str] = set()
        self.gone: frozenset[str] = frozenset()
        """Profiles that were deleted from the disk by hand, not by removing the account."""

    async def publish(self, shared: Collection[str]) -> None:
        """Offer the profiles that were written since the last call, and those that are not among the `shared` accounts.

        Either Redis has lost the latter, or another node has removed them; then they are deleted here, too.
        """
        for name in await asyncio.to_thread(self._to_offer, shared):
            await self.publish_one(name)
        self._has_looked = True
        self.bound -= self.gone

    async def publish_one(self, name: str) -> None:
        """Offer one profile to Redis if it can be opened."""
        stamp, profile = await asyncio.to_thread(self._loaded, name)
        if profile is None:
            self._seen[name] = stamp
            return
        if self._is_by_own_clock(profile, stamp):  # else a comparison of times would take it for an old one
            profile = await asyncio.to_thread(self._store.save, profile)
            stamp = await asyncio.to_thread(self._store.stamp, name)
        saved = self._saved_at(profile, stamp)
        if profile.user_data_dir is not None:
            self.bound.add(name)
        else:
            self.bound.discard(name)
            lease = self._leases.of(name)
            sealed = await asyncio.to_thread(self._store.sealed, name)
            fence = lease.fence if lease else self._store.fence_of(profile)
            answer = await self._shared.offer(name, saved, sealed, fence)
            if answer == "late":
                await self._replace(name, stamp)
                return
            if answer == "removed":
                logger.warning("The profile {} is removed here, because its account was removed on another node", name)
                await asyncio.to_thread(self._store.remove, name)
        self._seen[name], self._saved[name] = stamp, saved

    async def _replace(self, name: str, stamp: Stamp | None) -> None:
        """Replace a login that an earlier owner has written here by that of the present owner."""
        logger.warning("The login of {} that was written here last is dropped: another node has the account", name)
        self._seen[name], self._saved[name] = stamp, 0
        await self.store(name, await self._shared.login(name))

    async def store(self, name: str, shared: SharedAccount) -> bool:
        """Store a login from Redis if it is later than the one on disk; tell whether the disk has one now."""
        is_there = await asyncio.to_thread(self._store.exists, name)
        if shared.sealed and (shared.saved > self._saved.get(name, 0) or not is_there):
            await asyncio.to_thread(self._store.save_sealed, name, shared.sealed)
            self._saved[name] = shared.saved
            self._seen[name] = await asyncio.to_thread(self._store.stamp, name)
        return await asyncio.to_thread(self._store.exists, name)

    async def refresh(self) -> None:
        """Store the later logins of this node's accounts that were made on other nodes."""
        for name in self._leases.names():
            if await self._shared.saved(name) > self._saved.get(name, 0) and (lease := self._leases.of(name)):
                kept = await self._shared.take(name, lease.fence)
                if kept is not None:
                    await self.store(name, kept)

    def forget(self, name: str) -> None:
        """Forget a profile that was removed."""
        for known in (self._seen, self._saved):
            known.pop(name, None)
        self.bound.discard(name)

    def _to_offer(self, shared: Collection[str]) -> list[str]:
        stamps: Mapping[str, Stamp | None] = {name: self._store.stamp(name) for name in self._store.names()}
        self.gone = frozenset(self._seen.keys() - stamps.keys())
        known = {*shared, *self.bound}
        return [name for name, stamp in stamps.items() if self._seen.get(name, ()) != stamp or name not in known]

    def _saved_at(self, profile: Profile, stamp: Stamp | None) -> int:
        """Return when a profile was saved, in Unix milliseconds of the cluster's time."""
        if self._seen.get(profile.name, ()) == stamp and (known := self._saved.get(profile.name)):
            return known
        return int(min(profile.saved.timestamp(), self._clock.now()) * MILLISECONDS)

    def _is_by_own_clock(self, profile: Profile, stamp: Stamp | None) -> bool:
        """Tell whether a login that has just appeared on disk has this machine's time, as its file does."""
        if stamp is None or not self._has_looked or self._seen.get(profile.name, ()) == stamp:
            return False
        saved, ahead = profile.saved.timestamp(), self._clock.ahead
        _, written, _ = stamp
        later = written / NANOSECONDS - saved
        return abs(later) < abs(later - ahead) and abs(saved - ahead - self._clock.now()) <= JUST_NOW

    def _loaded(self, name: str) -> tuple[Stamp | None, Profile | None]:
        stamp = self._store.stamp(name)
        try:
            return stamp, self._store.load(name)
        except SetupError as error:
            logger.error("Profile {} is not shared: {}", name, error.message)
            return stamp, None
