"""`bridge login` on this machine: in a window, or by the site's password form."""

from __future__ import annotations

import sys
from collections.abc import Callable
from getpass import getpass

from bridge import env_file
from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.log import log_fact
from bridge.login.interactive_login import Credentials, log_in, profile_for
from bridge.settings import Settings
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry


def ask(user: str | None) -> Credentials:
    """Return the credentials, prompting for those not given; the password leaves the environment of child processes."""
    password = env_file.take("BRIDGE_PASSWORD")
    if not sys.stdin.isatty() and not (user and password):
        raise SetupError(
            "There is no terminal to prompt at: give --user NAME, and the password in the variable BRIDGE_PASSWORD."
        )
    return Credentials(user or input("User: "), password or getpass("Password: "))


async def sign_in(
    settings: Settings,
    name: str,
    site: str,
    url: str | None,
    credentials: Credentials | None,
    say: Callable[[str], None],
    *,
    keep_browser: bool = False,
) -> None:
    """Capture one login as the profile `name`; without `credentials` a person signs in, in a browser window."""
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    profile = profile_for(store, name, site, url, settings.folders.site_files)
    browser = Chromium(settings.pages, Telemetry(log_fact))
    try:
        await log_in(browser, settings.pages, store, profile, say, credentials, keep_browser=keep_browser)
    finally:
        await browser.close()
