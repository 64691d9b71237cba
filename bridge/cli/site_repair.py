"""`bridge sites heal` at the terminal: finds the profile, prints the findings and a diff, and writes the file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.text import Text

from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.login.site_healing import Healing, heal_site, write_healed
from bridge.printable import as_line
from bridge.settings import DataFolders, ProfileKeySource, Settings
from bridge.sites.known_sites import find_site
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


async def repair(settings: Settings, name: str, account: str | None, console: Console, *, is_written: bool) -> bool:
    """Print the change that a site file needs, and write it if `is_written`; return whether all controls were found."""
    profile = await asyncio.to_thread(_profile, settings.folders, settings.key_source, name, account)
    browser = Chromium(settings.pages, Telemetry())

    def say(line: str) -> None:
        console.print(Text(as_line(line)), soft_wrap=True)

    try:
        say(f"Looking at the page of {profile.name} ...")
        healing = await heal_site(browser, settings.pages, profile)
    finally:
        await browser.close()
    for line in findings_of(healing):
        say(line)
    for line in healing.diff:
        console.print(Text(as_line(line), style=COLOURS.get(line[:1], "")), soft_wrap=True)
    if healing.moved:
        await _end(healing, say, is_written=is_written)
    return not healing.missing


def findings_of(healing: Healing) -> Iterator[str]:
    """Yield a line for each control that has moved or is gone, or one line that says that none has."""
    for control in healing.moved:
        yield f"  moved   {control.field}: found {control.by} as {' | '.join(control.selectors)}"
    for name in healing.missing:
        yield f"  gone    {name}: not found at all; change {healing.target} by hand, or see `bridge learn`"
    if not healing.moved and not healing.missing:
        yield "All controls are where the site file says, except those that exist only while the site answers."


async def _end(healing: Healing, say: Callable[[str], None], *, is_written: bool) -> None:
    if not is_written:
        say("Nothing was written; --write writes the change.")
        return
    kept = await asyncio.to_thread(write_healed, healing)
    say(f"Wrote {healing.target}. " + (f"The previous file is {kept}." if kept else _hides(healing)))
    say("A running bridge uses it after a restart.")


def _hides(healing: Healing) -> str:
    return f"It replaces {healing.source}; remove it once an update of the bridge knows the page."


def _profile(folders: DataFolders, key: ProfileKeySource, name: str, account: str | None) -> Profile:
    """Return the profile whose page to open; raise `SetupError` if the site has none."""
    site = find_site(name, folders.site_files).name
    store = ProfileStore(folders.profiles, load_identity(key))
    names = [account] if account else store.names()
    for profile in map(store.load, names):
        if profile.site == site:
            return profile
    who = f"The profile {account} is not one" if account else "There is no profile"
    raise SetupError(f"{who} of the site '{site}'; `bridge login ACCOUNT --site {site}` captures one.")
