"""The one-time login: a person signs in to the real page, and the result is captured as a profile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import within
from bridge.errors import BrowserError, LoginRequired, RequestError, SetupError, SiteError, SiteTimeout
from bridge.login.capture import capture, check_and_store
from bridge.origins import site_address
from bridge.settings import PageSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.browser_folders import kept_notice, new_folder
from bridge.storage.profiles import Profile, ProfileStore, check_name
from bridge.worker.handover import LOOK_EVERY, looks_ready
from bridge.worker.page_session import Session, open_session

PERSON_LIMIT = 900.0
"""Seconds that a person has to sign in."""
FORM_LIMIT = 30.0
MESSAGE_GRACE = 2.0
"""Seconds that a page gets to let the user in after it shows a message, because not every message is a refusal."""
EMPTY: dict[str, Any] = {"cookies": [], "origins": []}


@dataclass(frozen=True, slots=True)
class Credentials:
    """User name and password for a login form; never stored."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(...)"


async def log_in(
    chromium: Chromium,
    settings: PageSettings,
    store: ProfileStore,
    profile: Profile,
    say: Callable[[str], None],
    credentials: Credentials | None = None,
    *,
    keep_browser: bool = False,
) -> Profile:
    """Open the profile's site, wait until the page is signed in, and store the login.

    A person signs in, in a headed browser; with `credentials` the site's password form is filled instead. For a login
    that cannot be copied, `keep_browser` keeps the folder of the browser.
    """
    if not keep_browser and profile.user_data_dir is None:
        return await _log_in(chromium, settings, store, profile, say, credentials)
    async with new_folder(settings.folders.browsers, profile) as kept:
        stored = await _log_in(chromium, settings, store, kept, say, credentials)
    say(kept_notice(settings.folders.browsers))
    return stored


async def _log_in(
    chromium: Chromium,
    settings: PageSettings,
    store: ProfileStore,
    profile: Profile,
    say: Callable[[str], None],
    credentials: Credentials | None,
) -> Profile:
    driver_type = await asyncio.to_thread(load_driver, profile.site, settings.folders.site_files)
    async with open_session(chromium, profile, driver_type, settings) as session:
        if credentials is None:
            say(f"Sign in to {profile.url} in the window that has opened; it closes by itself when you are done.")
            await _signed_in(session, PERSON_LIMIT)
        else:
            await _fill(session, credentials)
        captured = await capture(session, profile, settings.browser.call_limit)
    return await check_and_store(chromium, settings, store, captured, say)


def profile_for(store: ProfileStore, name: str, site: str, url: str | None, own_files: Path | None = None) -> Profile:
    """Return the stored profile of that name, for a new login, or an empty one for `site`.

    `own_files` is the operator's folder of site files.
    """
    address = check_address(url) if url else None
    if store.exists(check_name(name)):
        profile = store.load(name)
        if address is not None and profile.url != address:
            raise SetupError(f"The profile {name} belongs to {profile.url}; choose another name, or remove it first.")
        return profile
    store.refuse_other(name)
    driver_type = load_driver(site, own_files)
    return Profile(name=name, site=site, url=address or driver_type.start_url.rstrip("/"), storage_state=EMPTY)


def check_address(url: str) -> str:
    """Return the address of a site in the form that profiles store; raise a `RequestError` that names the field."""
    try:
        return site_address(url)
    except ValueError as error:
        raise RequestError(f"url: {error}.", param="url") from None


async def _fill(session: Session, credentials: Credentials) -> None:
    try:
        await session.driver.ready()
    except LoginRequired:
        async with within(FORM_LIMIT, "The login form could not be filled"):
            await session.driver.sign_in(credentials.user, credentials.password)
        await _accepted(session, credentials.user)


async def _accepted(session: Session, user: str) -> None:
    """Wait until the page takes prompts; raise a `SiteError` with the page's message if it refuses the user."""
    said: Sequence[str] = ()
    try:
        async with asyncio.timeout(FORM_LIMIT) as limit:
            while not await _is_ready(session):
                if not said and (said := await _words(session)):
                    limit.reschedule(asyncio.get_running_loop().time() + MESSAGE_GRACE)
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError as error:
        says = f"It says: {'; '.join(said)}" if said else f"It said nothing within {FORM_LIMIT:g} seconds."
        raise SiteError(f"The site did not sign '{user}' in, and nothing was stored. {says}") from error


async def _words(session: Session) -> Sequence[str]:
    """Return the messages that the page shows since the form was sent; none while it navigates."""
    try:
        async with within(FORM_LIMIT, "The page could not be read"):
            return await session.driver.says()
    except BrowserError:
        return ()


async def _signed_in(session: Session, limit: float) -> None:
    """Wait until a person has signed in and the page takes prompts."""
    try:
        async with asyncio.timeout(limit):
            while not await _is_ready(session):
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError as error:
        raise SiteTimeout(f"Nobody signed in within {limit:g} seconds; nothing was stored.") from error


async def _is_ready(session: Session) -> bool:
    is_ready = await looks_ready(session, PERSON_LIMIT)
    if not is_ready and session.page.is_closed():
        raise BrowserError("The window was closed before the login was done; nothing was stored.")
    return is_ready
