"""The one-time login by the site's form: in by whatever way the page offers, or told at once why not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.browser import Chromium
from bridge.capture import LoginNotPortable
from bridge.demo import DemoSite
from bridge.demo.settings import DemoSettings
from bridge.errors import BridgeError, SiteChanged, SiteError
from bridge.login import FORM_LIMIT, Credentials, log_in, profile_for
from bridge.profiles import ProfileStore, load_identity
from bridge.settings import Settings, TurnSettings
from tests.live import QUICK_SITE

RIGHT, WRONG = Credentials("alice@example.com", "demo-alice"), Credentials("alice@example.com", "wr\u00f6ng")


KEYED = replace(QUICK_SITE, device_key=True)
"""A site whose login needs a key that the browser gives to nobody."""


def settings_in(folder: Path) -> Settings:
    return Settings(config=folder / "config", profiles=folder / "profiles", turn=TurnSettings(ready=6))


async def attempt(folder: Path, chromium: Chromium, demo: DemoSettings, credentials: Credentials) -> list[str]:
    """Log in on a demo site of that kind; return the names of the logins that are stored afterwards."""
    settings = settings_in(folder)
    store = ProfileStore(settings.profiles, load_identity(settings))
    async with DemoSite(demo) as site:
        profile = profile_for(store, "mine", "deepseek", site.url)
        try:
            await log_in(chromium, settings, store, profile, lambda _: None, credentials)
        except BridgeError:
            assert store.names() == []
            raise
    return store.names()


@pytest.mark.parametrize(
    "demo",
    [
        QUICK_SITE,
        replace(QUICK_SITE, sign_in="words"),
        replace(QUICK_SITE, sign_in="words", lang="zh"),
        replace(QUICK_SITE, sign_in="icon"),
        replace(QUICK_SITE, sign_in="icon", markup="hashed"),
    ],
)
async def test_a_login_finds_its_way_to_the_form_for_a_password(
    tmp_path: Path, chromium: Chromium, demo: DemoSettings
) -> None:
    assert await attempt(tmp_path, chromium, demo, RIGHT) == ["mine"]


@pytest.mark.parametrize("demo", [QUICK_SITE, replace(QUICK_SITE, sign_in_says="toast")])
async def test_a_wrong_password_is_answered_with_the_words_of_the_page(
    tmp_path: Path, chromium: Chromium, demo: DemoSettings
) -> None:
    async with asyncio.timeout(FORM_LIMIT):
        with pytest.raises(SiteError, match=r"'alice@example.com'.* It says: Incorrect email or password\.") as told:
            await attempt(tmp_path, chromium, demo, WRONG)
    assert "demo-alice" not in str(told.value)
    assert WRONG.password not in str(told.value)


async def test_a_page_without_a_form_for_a_password_is_said_to_have_none(tmp_path: Path, chromium: Chromium) -> None:
    with pytest.raises(SiteChanged, match="no form for a password"):
        await attempt(tmp_path, chromium, replace(QUICK_SITE, sign_in="none"), RIGHT)


async def test_a_login_that_no_copy_holds_is_noticed_at_once_and_the_way_out_is_said(
    tmp_path: Path, chromium: Chromium
) -> None:
    with pytest.raises(LoginNotPortable, match=r"IndexedDB device/keys.* Nothing was stored.* --keep-browser"):
        await attempt(tmp_path, chromium, KEYED, RIGHT)


async def test_a_login_that_cannot_be_tried_for_another_reason_is_kept_and_that_is_said(
    tmp_path: Path, chromium: Chromium
) -> None:
    settings, said = settings_in(tmp_path), list[str]()
    store = ProfileStore(settings.profiles, load_identity(settings))
    async with DemoSite(QUICK_SITE) as site:
        site.account("alice").fault("load_human_check", times=None)  # strikes whom the site knows by a cookie
        await log_in(chromium, settings, store, profile_for(store, "mine", "deepseek", site.url), said.append, RIGHT)
    assert store.names() == ["mine"]
    assert "could not be tried in a fresh browser" in said[0]
