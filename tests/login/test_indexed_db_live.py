"""A login that a page keeps in IndexedDB, and nowhere else, is captured, stored and used again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.sites.known_sites import load_driver
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.worker.page_session import open_session
from tests.support.live import settings_for
from tests.support.small_site import FILE, profile_of, small_site

DATABASE = """
const opened = new Promise((resolve, reject) => {
  const opening = indexedDB.open("login", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const store = async mode => (await opened).transaction("kept", mode).objectStore("kept");
"""
SIGN_IN = f"async () => {{ {DATABASE} await done((await store('readwrite')).put({{token: 'ünïque'}}, 'session')); }}"
WHO = f"async () => {{ {DATABASE} return (await done((await store('readonly')).get('session')))?.token ?? null; }}"


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "left out where the site file says so"])
async def test_a_login_in_indexed_db_is_captured_stored_and_used_again(
    tmp_path: Path, chromium: Chromium, is_kept: bool
) -> None:
    settings = settings_for(tmp_path)
    settings.folders.site_files.mkdir(parents=True)
    text = FILE if is_kept else FILE.replace("[login]", "[login]\nin_indexed_db = false")
    (settings.folders.site_files / "small.toml").write_text(text, "utf-8")
    driver = load_driver("small", settings.folders.site_files)
    profiles = ProfileStore(settings.profiles, load_identity(settings.key_source))
    async with small_site() as site:
        profile = profile_of("small", site, "me")
        async with open_session(chromium, profile, driver, settings.pages) as session:
            assert await session.page.evaluate(WHO) is None
            await session.page.evaluate(SIGN_IN)
            profiles.save(await session.capture(profile, 30))
        async with open_session(chromium, profiles.load("me"), driver, settings.pages) as session:
            assert await session.page.evaluate(WHO) == ("ünïque" if is_kept else None)
