"""The stored profiles as accounts for the pool; see `roster.StoredAccounts`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.settings import PageSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.browser_folders import remove_profile
from bridge.storage.profiles import Profile, ProfileStore, Stamp
from bridge.storage.unfinished_chats import unfinished_chats_file
from bridge.telemetry import Telemetry
from bridge.worker.worker import Worker


class ProfileAccounts:
    """The profiles of a store, from which workers are made, with all other files of each account."""

    def __init__(self, store: ProfileStore, chromium: Chromium, settings: PageSettings, telemetry: Telemetry) -> None:
        self._store = store
        self._chromium = chromium
        self._settings = settings
        self._telemetry = telemetry
        self._filled: tuple[int, int] | None = None
        """The identity of the folder that last held profiles."""

    def stamps(self) -> Mapping[str, Stamp | None]:
        """Return the profiles by name, each with a stamp that changes whenever its file is written.

        Raise `SetupError` if their folder is gone, or replaced by another one without profiles: then it was moved, or
        its disk is not mounted, and no login was removed.
        """
        folder = _identity(self._store.folder)
        stamps = {name: self._store.stamp(name) for name in self._store.names()}
        if stamps:
            self._filled = folder
        # checked before and after listing: the folder may go away, or come back, in between
        elif self._filled is not None and {folder, _identity(self._store.folder)} != {self._filled}:
            raise SetupError(f"The folder of profiles, {self._store.folder}, was moved, or its disk is not mounted.")
        return stamps

    async def claim(self, name: str) -> None:
        """Do nothing: this bridge has all stored accounts."""

    async def worker(self, name: str) -> Worker:
        """Return a worker with the profile of that name; raise `SetupError` if it cannot be opened."""
        profile = await asyncio.to_thread(self._load, name)
        return Worker(profile, self._store, self._chromium, self._settings, self._telemetry)

    def _load(self, name: str) -> Profile:
        """Return a profile after loading its site's driver, as both read files."""
        profile = self._store.load(name)
        load_driver(profile.site, self._settings.folders.site_files)
        return profile

    def remove(self, name: str) -> None:
        """Delete the profile, if it still exists, and the record of its unfinished chats."""
        if self._store.exists(name):
            remove_profile(self._settings.folders.browsers, self._store, name)
        unfinished_chats_file(self._settings.folders.config, name).unlink(missing_ok=True)

    def rename(self, name: str, to: str) -> None:
        """Rename the profile and the record of its unfinished chats."""
        self._store.rename(name, to)
        kept = unfinished_chats_file(self._settings.folders.config, name)
        if kept.exists():
            kept.replace(unfinished_chats_file(self._settings.folders.config, to))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return the identity of a folder, device and inode; None if it does not exist."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


class NewAccounts(ProfileAccounts):
    """The accounts of a bridge that runs for one login: only profiles that were opened by name."""

    _opened: frozenset[str] = frozenset()

    def stamps(self) -> Mapping[str, Stamp | None]:
        """Return the profiles that were opened."""
        return {name: stamp for name, stamp in super().stamps().items() if name in self._opened}

    async def worker(self, name: str) -> Worker:
        """Open a profile that has just been stored."""
        self._opened |= {name}
        return await super().worker(name)
