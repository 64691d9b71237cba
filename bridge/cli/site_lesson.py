"""`bridge learn` at the terminal: checks the names, finds the login, and prints the report."""

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
    """Learn a site, write its file, store the login if `account` is given, and print the result."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise SetupError(f"'{url[:80]}' is not the address of a page; write it with http:// or https://.")
    site = name or name_of(url)
    if not SITE_NAME.fullmatch(site):
        raise SetupError(
            f"'{site[:40]}' cannot name a site: use only small letters, digits and -. Give a name with --name."
        )
    file = (out or Path(f"{site}.toml")).absolute()
    if await asyncio.to_thread(file.exists):
        raise SetupError(f"{file} exists already; remove it, or name another file with --out.")
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
        raise SetupError(f"The site file {file} was written, but not all of its test chats succeeded; see above.")
    say(f"The site file works. Use it with `bridge login ACCOUNT --site {file}`.")


class Terminal:
    """The `Operator` at a terminal, with the page in a window; nobody is there if `is_auto`."""

    def __init__(self, say: Callable[[str], None], url: str, is_auto: bool) -> None:
        self.wants_sending = is_auto
        self.say = say
        self._url = url

    def hand_over(self, _: object, prompt: str) -> None:
        """Print the prompt."""
        self.say("Sign in, in the window that has opened, if the page asks for it. Then type exactly this and send it:")
        self.say(f"\n    {prompt}\n")

    def no_text_box(self) -> None:
        """Raise `SetupError`, because nobody is there to sign in."""
        raise SetupError(f"{self._url} shows no text box; it may require a login: leave out --auto, or give --account.")

    def take_back(self) -> None:
        """Do nothing: the window stays as it is."""

    page_closes = take_back

    def show_findings(self, _: Sequence[Finding]) -> None:
        """Do nothing: the report prints the fields."""

    def show_proof(self, _: str, failure: str) -> None:
        """Do nothing: the report prints the chats."""


def _profile(store: ProfileStore, account: str | None, site: str, url: str) -> Profile:
    """Return the profile to start with, the stored one if it exists, for the site file that will be written."""
    if account and store.exists(check_name(account)):
        found = store.load(account)
        if found.url != origin_of(url):
            raise SetupError(f"The profile {account} belongs to {found.url}; choose another name.")
        return found.model_copy(update={"site": site})
    return Profile(name=account or UNNAMED, site=site, url=origin_of(url), storage_state=EMPTY)
