"""The login of one account: as it is on disk, and as the site has renewed it since."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from loguru import logger

from bridge.errors import SetupError
from bridge.profiles import Profile, ProfileStore
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

    async def renewed(self, look_every: float) -> None:
        """Return when somebody has logged the account in again; looks at the file every so many seconds."""
        while True:
            await asyncio.sleep(look_every)
            if self._store is None:
                continue
            with suppress(SetupError):  # removed or unreadable: not renewed yet
                stored = await asyncio.to_thread(self._store.load, self.profile.name)
                if stored.saved > self.profile.saved:
                    self.profile = stored
                    return

    async def keep(self, now: Profile) -> None:
        """Keep the login as it is `now`, in memory and, if the site renewed something, on disk.

        What was begun is done to its end, also for a caller that is cancelled or waits no longer.
        """
        try:
            async with asyncio.timeout(DISK_LIMIT):
                is_written = await asyncio.shield(asyncio.to_thread(self._keep, now))
        except TimeoutError:
            logger.warning("The profile {} is not written back yet: the disk does not answer", now.name)
        else:
            if is_written:
                self._telemetry.emit(ProfileSaved(now.name))

    def _keep(self, now: Profile) -> bool:
        """Return whether the login was written."""
        with self._lock:
            if now.same_login(self.profile):
                return False
            before, self.profile = self.profile, now
            if self._store is None:
                return False
            try:
                if self._store.load(now.name).saved > before.saved:
                    self.profile = before  # somebody has logged in anew beside us: `renewed` takes that
                    return False
                self._store.save(now)
            except SetupError as error:
                logger.warning("The profile {} was not written back: {}", now.name, error.message)
                return False
            return True
