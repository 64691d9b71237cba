"""Captures a login from a page, and tests it in a fresh context, because a copy can be incomplete.

Cookies, localStorage, sessionStorage and plain IndexedDB can be copied. Non-extractable keys, service workers and
caches cannot: a site whose login depends on them needs the browser's own folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page

import bridge
from bridge.browser.browser import Chromium
from bridge.browser.page_calls import within
from bridge.errors import BrowserError, LoginRequired, SiteError
from bridge.printable import as_line
from bridge.settings import PageSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.account_states import AccountStatesFile
from bridge.storage.profiles import Profile, ProfileStore
from bridge.worker.page_session import Session, open_session
from bridge.worker.token_worker import SECOND_THOUGHTS

KEYS_LIMIT = 3.0
"""Seconds that the search for CryptoKeys may take."""
MOST_NAMES = 3
FIND_KEYS = """async seconds => {
  const found = [], until = performance.now() + seconds * 1000;
  let looks = 20000;
  const done = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
    request.onupgradeneeded = () => request.transaction.abort();
  });
  const holdsKey = (value, depth) => {
    if (value === null || typeof value !== "object" || depth > 5 || --looks < 0) return false;
    if (value instanceof CryptoKey) return true;
    if (ArrayBuffer.isView(value)) return false;
    const parts = value instanceof Map || value instanceof Set ? [...value.values()] : Object.values(value);
    return parts.some(part => holdsKey(part, depth + 1));
  };
  const storeHoldsKey = (database, name) => new Promise(resolve => {
    let left = 200;
    const cursor = database.transaction(name).objectStore(name).openCursor();
    cursor.onerror = () => resolve(false);
    cursor.onsuccess = () => {
      const at = cursor.result;
      if (!at || --left < 0 || performance.now() > until) return resolve(false);
      return holdsKey(at.value, 0) ? resolve(true) : at.continue();
    };
  });
  const walk = async () => {
    for (const {name} of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name)).catch(() => null);
      for (const store of database ? database.objectStoreNames : [])
        if (await storeHoldsKey(database, store)) found.push(`${name}/${store}`.slice(0, 100));
      database?.close();
    }
  };
  await Promise.race([walk().catch(() => {}), new Promise(resolve => setTimeout(resolve, seconds * 1000))]);
  return found.slice(0, 20);
}"""
"""Returns the names of the origin's IndexedDB stores that hold a CryptoKey, as many as it finds in the time."""


class LoginNotPortable(SiteError):
    """The site does not accept the captured login in a fresh browser."""


@dataclass(frozen=True, slots=True)
class CapturedLogin:
    """The login of a page; `keys` are the IndexedDB stores with keys that the copy lacks."""

    profile: Profile
    keys: Sequence[str]


async def capture(session: Session, profile: Profile, limit: float) -> CapturedLogin:
    """Return the login of a signed-in page; `check_and_store` stores it.

    Each call of the browser may take `limit` seconds.
    """
    captured = await session.capture(profile, limit)
    browser = session.context.browser
    versions = {"bridge": bridge.__version__, "chromium": browser.version if browser else ""}
    keys = await _keys(session.page, limit)
    return CapturedLogin(captured.model_copy(update={"versions": versions}), keys)


async def check_and_store(
    chromium: Chromium, settings: PageSettings, store: ProfileStore, captured: CapturedLogin, say: Callable[[str], None]
) -> Profile:
    """Open the site with the captured login in a fresh context, and store the login in the state it has then.

    The page that it was captured from must be closed, so that only one page renews the login. Raises `LoginNotPortable`
    and stores nothing if the site does not accept it; a login that cannot be tested for another reason is stored.
    """
    profile = captured.profile
    try:
        profile = await opened_fresh(chromium, settings, profile)
    except LoginRequired as error:
        raise LoginNotPortable(_not_portable(captured)) from error
    except (SiteError, BrowserError) as error:
        say(f"The login is stored, but could not be tested in a fresh browser: {error.message}")
    else:
        if captured.keys:
            say(
                f"The site keeps a key that cannot be copied ({_places(captured.keys)}). The login works without it "
                f"now; if it stops working, {_way_out(profile.name)}"
            )
    await store_login(settings.folders.config, store, profile)
    say(f"Captured the login as profile '{profile.name}'.")
    return profile


async def store_login(config: Path, store: ProfileStore, profile: Profile) -> None:
    """Store a login, and delete the stored state of the account, which belongs to the previous login."""
    await asyncio.to_thread(store.save, profile)
    await asyncio.to_thread(AccountStatesFile(config).put, profile.name, None)


async def opened_fresh(chromium: Chromium, settings: PageSettings, profile: Profile) -> Profile:
    """Open the site with a login in a fresh context, and return the login in its state then.

    Raises `SiteError` or `BrowserError` if the page does not become ready.
    """
    driver_type = await asyncio.to_thread(load_driver, profile.site, settings.folders.site_files)
    async with open_session(chromium, profile, driver_type, settings) as session:
        async with within(settings.turn.ready + settings.browser.call_limit, "The page was not ready"):
            await session.driver.ready()
            await asyncio.sleep(SECOND_THOUGHTS)
            await session.driver.ready()
        return await session.capture(profile, settings.browser.call_limit)


async def _keys(page: Page, limit: float) -> Sequence[str]:
    """Return the stores with keys in the page's IndexedDB; the result is untrusted text of the page."""
    async with within(KEYS_LIMIT + limit, "The page did not report what it stores"):
        found = await page.evaluate(FIND_KEYS, KEYS_LIMIT)
    return [as_line(name) for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _places(keys: Sequence[str]) -> str:
    more = len(keys) - MOST_NAMES
    return ", ".join([f"IndexedDB {key}" for key in keys[:MOST_NAMES]] + ([f"{more} more"] if more > 0 else []))


def _not_portable(captured: CapturedLogin) -> str:
    keys, name = captured.keys, captured.profile.name
    lacks = f"a key that cannot be copied ({_places(keys)})" if keys else "data that the copy does not contain"
    return (
        f"The page was signed in, but a fresh browser with a copy of the login is not: it needs {lacks}. "
        f"Nothing was stored. To keep the login, {_way_out(name)}"
    )


def _way_out(name: str) -> str:
    return f"log in with `bridge login {name} --keep-browser`, which keeps the account's own browser folder."
