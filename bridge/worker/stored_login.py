"""The login of one account: the stored one, and its renewals by the site."""

from __future__ import annotations

import asyncio
import threading

from loguru import logger

from bridge.chat.ownership import Ownership
from bridge.errors import LeaseLost, SetupError
from bridge.storage.profiles import Profile, ProfileStore, Stamp
from bridge.telemetry import ProfileSaved, Telemetry

DISK_LIMIT = 10.0
"""Seconds that an account waits for its login to be written."""


class StoredLogin:
    """The profile that an account is opened with; without a store, it is only in memory."""

    def __init__(self, profile: Profile, store: ProfileStore | None, telemetry: Telemetry) -> None:
        self.profile = profile
        self._store = store
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._seen: Stamp | None = None

    async def login_renewed(self, look_every: float) -> None:
        """Wait until the stored login is newer than the one in use; check the file every `look_every` seconds.

        `refresh` then starts using it. A file that cannot be opened is logged once.
        """
        while True:
            await asyncio.sleep(look_every)
            if self._store is not None and await asyncio.to_thread(self._newer, self._store) is not None:
                return

    async def refresh(self) -> None:
        """Use a login that was stored meanwhile."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(DISK_LIMIT):
                newer = await asyncio.to_thread(self._stored, self._store)
                self.profile = newer or self.profile
        except TimeoutError:
            logger.warning("The profile {} cannot be read: the disk does not answer", self.profile.name)

    def _newer(self, store: ProfileStore) -> Profile | None:
        """Return the stored login if its file has changed and it is newer."""
        stamp = store.stamp(self.profile.name)
        if stamp == self._seen:
            return None
        self._seen = stamp
        return self._stored(store)

    def _stored(self, store: ProfileStore) -> Profile | None:
        """Return the stored login if it is newer; None if it is gone or cannot be opened."""
        name = self.profile.name
        try:
            stored = store.load(name)
        except SetupError as error:
            if store.stamp(name) is not None:
                logger.error("The profile {} was not read again: {}", name, error.message)
            return None
        return stored if stored.saved > self.profile.saved else None

    async def keep(self, now: Profile, ownership: Ownership) -> None:
        """Keep the login of `now` in memory and, if the site renewed it and the ownership holds, on disk.

        A started write is finished even if the caller is cancelled or stops waiting.
        """
        try:
            async with asyncio.timeout(DISK_LIMIT):
                is_written = await asyncio.shield(asyncio.to_thread(self._keep, now, ownership))
        except TimeoutError:
            logger.warning("The profile {} is not written back yet: the disk does not answer", now.name)
        else:
            if is_written:
                self._telemetry.emit(ProfileSaved(now.name))

    def _keep(self, now: Profile, ownership: Ownership) -> bool:
        """Write the login if necessary; return whether it was written."""
        with self._lock:
            if now.same_login(self.profile):
                return False
            before, self.profile = self.profile, now if self._store is None else self._store.dated(now)
            if self._store is None:
                return False
            try:
                if self._store.load(now.name).saved > before.saved:
                    self.profile = before  # a newer login was stored meanwhile; `login_renewed` finds it
                    return False
                ownership.check()  # last, as the disk may have been slow
                self.profile = self._store.save(now, ownership.fence)  # else it would look like a newer login
            except (SetupError, LeaseLost) as error:
                logger.warning("The profile {} was not written back: {}", now.name, error.message)
                return False
            return True
