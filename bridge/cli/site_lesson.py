"""`bridge learn` at the terminal: names, the login to begin with, and the report."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.log import log_fact
from bridge.login.capture import store_login
from bridge.login.site_learning import Lesson, learn_site, report
from bridge.origins import origin_of
from bridge.settings import Settings
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore, check_name
from bridge.telemetry import Telemetry

UNNAMED = "learned"
EMPTY: dict[str, Any] = {"cookies": [], "origins": []}
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


async def teach(
    settings: Settings,
    url: str,
    name: str | None,
    account: str | None,
    out: Path | None,
    say: Callable[[str], None],
    *,
    is_auto: bool,
) -> None:
    """Learn a site, write its file, store the login where there is a name for it, and say what came of it."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise SetupError(f"'{url[:80]}' is no address of a page; write it with http:// or https://.")
    site = name or name_of(url)
    if not SITE_NAME.fullmatch(site):
        raise SetupError(f"'{site[:40]}' is no name of a site: small letters, digits and - only. Give one with --name.")
    file = (out or Path(f"{site}.toml")).absolute()
    if await asyncio.to_thread(file.exists):
        raise SetupError(f"{file} exists already; remove it, or take another one with --out.")
    store = ProfileStore(settings.profiles, load_identity(settings))
    profile = await asyncio.to_thread(_profile, store, account, str(file), url)
    browser = Chromium(settings, Telemetry(log_fact))
    try:
        learned = await learn_site(browser, settings, Lesson(url, site, file, is_auto), profile, say)
    finally:
        await browser.close()
    report(learned, say)
    if account:
        await store_login(settings.config, store, learned.profile)
        say(f"The login is stored as profile '{account}'.")
    for finding in learned.needed:
        say(f"Needs you: {finding.field} in {file}: {finding.why}.")
    if not learned.is_proven:
        raise SetupError(f"The site file {file} is written, but not all of its chats went well; see above.")
    say(f"The site file works. Use it with `bridge login ACCOUNT --site {file}`.")


def name_of(url: str) -> str:
    """Return a name for the site of an address: the part of its host that people know it by."""
    host = (urlsplit(url).hostname or "").lower()
    parts = [part for part in host.split(".") if part not in ("www", "chat")]
    known = parts[-2] if len(parts) > 1 and not host.replace(".", "").isdigit() else parts[0] if parts else ""
    return known if SITE_NAME.fullmatch(known) else UNNAMED


def _profile(store: ProfileStore, account: str | None, site: str, url: str) -> Profile:
    """Return the profile to begin with, for the site file that is to be written."""
    if account and store.exists(check_name(account)):
        found = store.load(account)
        if found.url != origin_of(url):
            raise SetupError(f"The profile {account} belongs to {found.url}; take another name.")
        return found.model_copy(update={"site": site})
    return Profile(name=account or UNNAMED, site=site, url=origin_of(url), storage_state=EMPTY)
