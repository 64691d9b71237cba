"""The one-time login by the site's form: in by whatever way the page offers, or told at once why not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.browser import Chromium
from bridge.demo import DemoSite
from bridge.demo.settings import DemoSettings
from bridge.errors import BridgeError, SiteChanged, SiteError
from bridge.login import FORM_LIMIT, Credentials, log_in, profile_for
from bridge.profiles import ProfileStore, load_identity
from bridge.settings import Settings, TurnSettings
from tests.live import QUICK_SITE

RIGHT, WRONG = Credentials("alice@example.com", "demo-alice"), Credentials("alice@example.com", "wr\u00f6ng")


async def attempt(folder: Path, chromium: Chromium, demo: DemoSettings, credentials: Credentials) -> list[str]:
    """Log in on a demo site of that kind; return the names of the logins that are stored afterwards."""
    settings = Settings(config=folder / "config", profiles=folder / "profiles", turn=TurnSettings(ready=6))
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
