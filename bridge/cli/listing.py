"""Prints the settings, and the captured logins: names, places and ages of their contents, never a value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.durations import ago, in_words
from bridge.errors import SetupError
from bridge.settings import ProfileKeySource
from bridge.settings_sources import describe
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import Profile, ProfileStore


def readable_profiles(folder: Path, key: ProfileKeySource) -> ProfileStore:
    """Return the profile store for a command that only reads; creates no key if there are no profiles."""
    blank = ProfileStore(folder, Identity.generate())
    return ProfileStore(folder, load_identity(key)) if blank.names() else blank


def show_settings(console: Console) -> None:
    """Print all settings with their variables, defaults and descriptions."""
    console.print("Settings: name in the file, environment variable, default", style="bold")
    for name, variable, default, description in describe():
        head = Text.assemble("\n  ", (f"{name:22}", "bold cyan"), " ", (f"{variable:28}", "green"), " ", default)
        console.print(head.append(f"\n      {description}", "dim"), soft_wrap=True)


def show_list(store: ProfileStore, console: Console) -> None:
    """Print a line for each profile; mark those that cannot be opened."""
    names = store.names()
    if not names:
        console.print(f"There is no login in {store.folder.absolute()}; `bridge login NAME` captures one.")
        return
    table = _table("Name", "Site", "URL", "Created", "Saved", "Size")
    for name in names:
        size = f"{store.path(name).stat().st_size / 1024:.1f} KB"
        try:
            profile = store.load(name)
        except SetupError:
            table.add_row(Text(name), "?", Text("cannot be opened, see `bridge doctor`", style="red"), "", "", size)
        else:
            _row(table, name, profile.site, profile.url, ago(profile.created), ago(profile.saved), size)
    console.print(table)


def show_one(profile: Profile, console: Console) -> None:
    """Print the contents of a profile."""
    facts = _table(header=False)
    for name, value in _facts(profile):
        facts.add_row(Text(name, style="bold"), Text(value))
    cookies = _table("Cookie", "Domain", "Expires")
    for cookie in profile.storage_state["cookies"]:
        _row(cookies, cookie["name"], cookie["domain"], _expiry(cookie.get("expires", -1)))
    storage = _table("Stored item", "Kind", "Origin")
    for row in _stored(profile):
        _row(storage, *row)
    console.print(facts)
    for table in (cookies, storage):
        console.print()
        console.print(table)


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "Name", profile.name
    yield "Site", f"{profile.site} at {profile.url}"
    yield "Created", f"{profile.created:%Y-%m-%d %H:%M} UTC, {ago(profile.created)}"
    yield "Saved", f"{profile.saved:%Y-%m-%d %H:%M} UTC, {ago(profile.saved)}"
    yield "Viewport", "{} x {}".format(*profile.viewport)
    yield "Captured by", ", ".join(f"{name} {version}" for name, version in profile.versions.items()) or "?"


def _stored(profile: Profile) -> Iterator[tuple[str, str, str]]:
    origins: list[dict[str, Any]] = profile.storage_state["origins"]
    for origin in origins:
        for item in origin.get("localStorage", ()):
            yield item["name"], "local", origin["origin"]
        for database in origin.get("indexedDB", ()):
            yield database["name"], "database", origin["origin"]
    for place, items in profile.session_storage.items():
        for name in items:
            yield name, "session", place


def _expiry(moment: float) -> str:
    if moment < 0:
        return "with the session"
    left = moment - datetime.now(UTC).timestamp()
    return f"in {in_words(left) or 'less than a minute'}" if left > 0 else f"{in_words(-left) or 'just now'} ago"


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(*columns, box=None, show_header=header, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # names from a site must not be read as markup
