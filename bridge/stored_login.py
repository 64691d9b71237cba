"""The login of one account: as it is on disk, and as the site has renewed it since."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

from bridge.errors import SetupError
from bridge.profiles import Profile, ProfileStore
from bridge.telemetry import ProfileSaved, Telemetry


class StoredLogin:
    """Holds the profile that an account is opened with; without a store in memory only."""

    def __init__(self, profile: Profile, store: ProfileStore | None, telemetry: Telemetry) -> None:
        self.profile = profile
        self._store = store
        self._telemetry = telemetry

    async def renewed(self, look_every: float) -> None:
        """Return when somebody has logged the account in again; looks at the file every so many seconds."""
        while True:
            await asyncio.sleep(look_every)
            if self._store is None:
                continue
            with suppress(SetupError):  # removed or unreadable: not renewed yet
                stored = self._store.load(self.profile.name)
                if stored.saved > self.profile.saved:
                    self.profile = stored
                    return

    def keep(self, now: Profile) -> None:
        """Keep the login as it is `now`, in memory and, if the site renewed something, on disk."""
        if now.same_login(self.profile):
            return
        if self._store is None:
            self.profile = now
            return
        try:
            if self._store.load(now.name).saved > self.profile.saved:
                return  # somebody has logged in anew beside us: `renewed` takes that
            self._store.save(now)
            self._telemetry.emit(ProfileSaved(now.name))
        except SetupError as error:
            logger.warning("The profile {} was not written back: {}", now.name, error.message)
        self.profile = now
