"""The stored profiles, as the pool's accounts are made of them; see `roster.StoredAccounts`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bridge.browser import Chromium
from bridge.browser_folders import remove_profile
from bridge.profiles import ProfileStore, Stamp
from bridge.settings import Settings
from bridge.telemetry import Telemetry
from bridge.unsettled import unsettled_file
from bridge.worker import Worker


class ProfileAccounts:
    """Makes workers of the profiles in a store, and keeps what belongs to an account together."""

    def __init__(self, store: ProfileStore, chromium: Chromium, settings: Settings, telemetry: Telemetry) -> None:
        self._store = store
        self._chromium = chromium
        self._settings = settings
        self._telemetry = telemetry

    def stamps(self) -> Mapping[str, Stamp | None]:
        """Return the names of the profiles, each with what changes whenever its file is written."""
        return {name: self._store.stamp(name) for name in self._store.names()}

    async def worker(self, name: str) -> Worker:
        """Return a worker with the profile of that name; raise `SetupError` where it cannot be opened."""
        profile = await asyncio.to_thread(self._store.load, name)
        return Worker(profile, self._store, self._chromium, self._settings, self._telemetry)

    def remove(self, name: str) -> None:
        """Delete the profile, if it is still there, and what its account has left open."""
        if self._store.exists(name):
            remove_profile(self._settings, self._store, name)
        unsettled_file(self._settings.config, name).unlink(missing_ok=True)

    def rename(self, name: str, to: str) -> None:
        """Give the profile, and what its account has left open, another name."""
        self._store.rename(name, to)
        kept = unsettled_file(self._settings.config, name)
        if kept.exists():
            kept.replace(unsettled_file(self._settings.config, to))


class NewAccounts(ProfileAccounts):
    """The same for a bridge that runs for a login: of the profiles only those that it has been told to open."""

    _opened: frozenset[str] = frozenset()

    def stamps(self) -> Mapping[str, Stamp | None]:
        """Return those that were opened."""
        return {name: stamp for name, stamp in super().stamps().items() if name in self._opened}

    async def worker(self, name: str) -> Worker:
        """Open a profile that was stored just now."""
        self._opened |= {name}
        return await super().worker(name)
