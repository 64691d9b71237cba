"""The browser folders of accounts whose login cannot be copied: created at a login, deleted with the profile.

They are as secret as the login, but Chromium does not encrypt them: only the mode of the folder protects them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bridge.durations import HOUR
from bridge.errors import SetupError
from bridge.settings import DataFolders
from bridge.storage.atomic import make_folder, write_file
from bridge.storage.profiles import Profile, ProfileStore

SPARED = HOUR
"""Seconds for which a folder without a profile may belong to a running login."""

PREFERENCES = {
    "autofill": {"profile_enabled": False, "credit_card_enabled": False},
    "credentials_enable_service": False,
}
"""Stops Chromium from saving typed data, and from offering that in windows that screenshots do not show."""


@asynccontextmanager
async def new_folder(folders: Path, profile: Profile) -> AsyncGenerator[Profile]:
    """Make a new folder for the account and yield its profile with it; delete the folder if the body raises."""
    kept = profile.model_copy(update={"user_data_dir": f"{profile.name}-{secrets.token_hex(4)}"})
    await asyncio.to_thread(_make, folders / str(kept.user_data_dir))
    try:
        yield kept
    except BaseException:
        await asyncio.to_thread(remove_folder, folders, kept)
        raise


def kept_notice(folders: Path) -> str:
    """Return the notice for a person whose login is kept in a folder."""
    return f"The browser's folder is kept in {folders}: only you may read it, but it is NOT encrypted."


def _make(folder: Path) -> None:
    make_folder(folder / "Default")
    write_file(folder / "Default" / "Preferences", json.dumps(PREFERENCES).encode())


def remove_profile(folders: Path, store: ProfileStore, name: str) -> None:
    """Delete a profile, and the browser's folder of its account."""
    with suppress(SetupError):  # a profile that cannot be opened is deleted, too
        remove_folder(folders, store.load(name))
    store.remove(name)


def remove_folder(folders: Path, profile: Profile) -> None:
    """Delete the browser's folder of the account, if it has one."""
    if profile.user_data_dir is not None:
        shutil.rmtree(folders / profile.user_data_dir, ignore_errors=True)


def sweep_folders(folders: DataFolders, store: ProfileStore) -> None:
    """Delete folders that no profile names, and the remains of a trace after a killed run.

    If a profile cannot be opened, delete no folder, as that profile may name it.
    """
    shutil.rmtree(folders.trace_work, ignore_errors=True)
    try:
        named = {store.load(name).user_data_dir for name in store.names()}
    except SetupError:
        return
    if folders.browsers.is_dir():
        for folder in folders.browsers.iterdir():
            if folder.name not in named and time.time() - folder.stat().st_mtime > SPARED:
                shutil.rmtree(folder, ignore_errors=True)
