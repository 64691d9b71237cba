"""`bridge learn` at the terminal: names, the login to begin with, and the report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.log import log_fact
from bridge.login.capture import store_login
from bridge.login.interactive_login import EMPTY
from bridge.login.site_learning import SITE_NAME, UNNAMED, Lesson, learn_site, name_of, report
from bridge.origins import origin_of
from bridge.settings import Settings
from bridge.sites.learning.draft import Finding
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore, check_name
from bridge.telemetry import Telemetry


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
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    profile = await asyncio.to_thread(_profile, store, account, str(file), url)
    browser = Chromium(settings.pages, Telemetry(log_fact))
    try:
        learned = await learn_site(
            browser, settings.pages, Lesson(url, site, file), profile, Terminal(say, url, is_auto)
        )
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


class Terminal:
    """A person at a terminal, with the page in a window; see `Operator`. By `is_auto` there is none."""

    def __init__(self, say: Callable[[str], None], url: str, is_auto: bool) -> None:
        self.wants_sending = is_auto
        self.say = say
        self._url = url

    def hand_over(self, _: object, prompt: str) -> None:
        """Print the prompt."""
        self.say("Sign in, in the window that has opened, if the page asks for it. Then type exactly this and send it:")
        self.say(f"\n    {prompt}\n")

    def no_text_box(self) -> None:
        """Raise, as nobody is there to sign in."""
        raise SetupError(f"{self._url} shows no text box; it may ask to sign in: leave --auto out, or give --account.")

    def take_back(self) -> None:
        """Do nothing: the window stays as it is."""

    page_closes = take_back

    def show_findings(self, _: Sequence[Finding]) -> None:
        """Leave the fields to the report."""

    def show_proof(self, _: str, failure: str) -> None:
        """Leave the chats to the report, too."""


def _profile(store: ProfileStore, account: str | None, site: str, url: str) -> Profile:
    """Return the profile to begin with, for the site file that is to be written."""
    if account and store.exists(check_name(account)):
        found = store.load(account)
        if found.url != origin_of(url):
            raise SetupError(f"The profile {account} belongs to {found.url}; take another name.")
        return found.model_copy(update={"site": site})
    return Profile(name=account or UNNAMED, site=site, url=origin_of(url), storage_state=EMPTY)
