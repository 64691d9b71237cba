"""The login of one account: as it is on disk, and as the site has renewed it since."""

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
    """Holds the profile that an account is opened with; without a store in memory only."""

    def __init__(self, profile: Profile, store: ProfileStore | None, telemetry: Telemetry) -> None:
        self.profile = profile
        self._store = store
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._seen: Stamp | None = None

    async def login_renewed(self, look_every: float) -> None:
        """Return when the stored login is newer than the one in use; looks at the file every so many seconds.

        The newer one is in use after `refresh`. A file that cannot be opened is named once in the log.
        """
        while True:
            await asyncio.sleep(look_every)
            if self._store is not None and await asyncio.to_thread(self._newer, self._store) is not None:
                return

    async def refresh(self) -> None:
        """Take up a login that somebody has stored since."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(DISK_LIMIT):
                newer = await asyncio.to_thread(self._stored, self._store)
                self.profile = newer or self.profile
        except TimeoutError:
            logger.warning("The profile {} cannot be looked up: the disk does not answer", self.profile.name)

    def _newer(self, store: ProfileStore) -> Profile | None:
        """Return the stored login if its file has changed and it is newer."""
        stamp = store.stamp(self.profile.name)
        if stamp == self._seen:
            return None
        self._seen = stamp
        return self._stored(store)

    def _stored(self, store: ProfileStore) -> Profile | None:
        """Return the stored login if it is newer; one that is gone or cannot be opened is not."""
        name = self.profile.name
        try:
            stored = store.load(name)
        except SetupError as error:
            if store.stamp(name) is not None:
                logger.error("The profile {} was not read again: {}", name, error.message)
            return None
        return stored if stored.saved > self.profile.saved else None

    async def keep(self, now: Profile, ownership: Ownership) -> None:
        """Keep the login as it is `now`, in memory and, if the site renewed something and it is the owner's, on disk.

        What was begun is done to its end, also for a caller that is cancelled or waits no longer.
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
        """Return whether the login was written."""
        with self._lock:
            if now.same_login(self.profile):
                return False
            before, self.profile = self.profile, now if self._store is None else self._store.dated(now)
            if self._store is None:
                return False
            try:
                if self._store.load(now.name).saved > before.saved:
                    self.profile = before  # somebody has logged in again beside us: `renewed` takes that
                    return False
                ownership.check()  # last, for the disk may have taken its time
                self.profile = self._store.save(now, ownership.fence)  # else it would seem to be somebody else's
            except (SetupError, LeaseLost) as error:
                logger.warning("The profile {} was not written back: {}", now.name, error.message)
                return False
            return True
