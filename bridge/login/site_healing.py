"""`bridge sites heal`: proposes selectors for controls on a site's page that its site file does not find."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import within
from bridge.errors import SetupError
from bridge.settings import PageSettings
from bridge.sites.drift import MovedControl
from bridge.sites.known_sites import SHIPPED, KnownSite, find_site
from bridge.sites.site_file.data_driver import DataDriver
from bridge.sites.site_file.file_edit import with_selectors
from bridge.sites.site_file.schema import parse_site_file, read_site_file
from bridge.storage.atomic import write_file
from bridge.storage.profiles import Profile
from bridge.worker.page_session import open_session

EARLIER = ".before"
"""Suffix of the backup of an own file that was replaced."""


@dataclass(frozen=True, slots=True)
class Healing:
    """The controls found on the page, and the site file to change."""

    source: Path
    target: Path
    """Path of the operator's own file of the site, which may not exist yet."""
    text: str
    """The current text of the site file."""
    moved: tuple[MovedControl, ...] = ()
    missing: tuple[str, ...] = ()
    """Controls that were not found."""

    @property
    def healed(self) -> str:
        """Return the site file with the new selectors."""
        return with_selectors(self.text, {one.field: one.selectors for one in self.moved})

    @property
    def diff(self) -> Sequence[str]:
        """Return the lines of a unified diff."""
        names = (str(self.source), str(self.target))
        return [*difflib.unified_diff(self.text.splitlines(), self.healed.splitlines(), *names, lineterm="")]


async def heal_site(chromium: Chromium, settings: PageSettings, profile: Profile) -> Healing:
    """Search the page of an account for the controls of its site file; send and write nothing."""
    site = await asyncio.to_thread(find_site, profile.site, settings.folders.site_files)
    healing = await asyncio.to_thread(_begun, site, settings.folders.site_files)
    limit = settings.turn.ready
    async with open_session(chromium, profile, site.driver, settings) as session:
        async with within(limit, "The page was not ready"):
            await session.driver.ready()
        async with within(limit, "The page did not show its controls"):
            moved = tuple(await session.driver.moved_controls(types=True))
            missing = tuple(name for name, way in (await session.driver.controls()).items() if not way)
    return replace(healing, moved=moved, missing=missing)


def _begun(site: KnownSite, own_files: Path) -> Healing:
    if not issubclass(site.driver, DataDriver):
        raise SetupError(f"The site '{site.name}' is a Python module; only site files can be healed.")
    source = Path(site.source)
    target = source if site.name.endswith(".toml") else own_files / f"{site.name}.toml"
    if target.resolve().is_relative_to(SHIPPED.resolve()):
        raise SetupError(f"{target} is part of the bridge; copy it to {own_files} first.")
    return Healing(source, target, read_site_file(source))


def write_healed(healing: Healing) -> Path | None:
    """Write the healed file into the operator's folder; return the backup of a file that it replaces; blocks."""
    parse_site_file(healing.healed, str(healing.target))
    kept = None
    if healing.target == healing.source:
        kept = healing.target.with_name(healing.target.name + EARLIER)
        write_file(kept, healing.text.encode())
    write_file(healing.target, healing.healed.encode())
    return kept
