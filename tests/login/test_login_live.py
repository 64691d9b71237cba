"""The one-time login by the site's form: in by whatever way the page offers, or told at once why not."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.demo.site_settings import DemoSettings
from bridge.errors import BridgeError, SiteChanged, SiteError
from bridge.login.capture import LoginNotPortable
from bridge.login.interactive_login import EMPTY, FORM_LIMIT, Credentials, log_in, profile_for
from bridge.settings import Settings, TurnSettings
from bridge.storage.browser_folders import remove_profile, sweep_folders
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import Profile, ProfileStore
from bridge.telemetry import Telemetry, WorkerState
from tests.support.browsers import light_browser
from tests.support.live import QUICK_SITE, directive, served, settings_for, signed_in_profile
from tests.support.stress import stress
from tests.worker.test_failures_live import HEALTH, gone

RIGHT, WRONG = Credentials("alice@example.com", "demo-alice"), Credentials("alice@example.com", "wr\u00f6ng")


KEYED = replace(QUICK_SITE, device_key=True)
"""A site whose login needs a key that the browser gives to nobody."""


def settings_in(folder: Path) -> Settings:
    return Settings(config=folder / "config", profiles=folder / "profiles", turn=TurnSettings(ready=20))


async def attempt(
    folder: Path, chromium: Chromium, demo: DemoSettings, credentials: Credentials, *, keep_browser: bool = False
) -> list[str]:
    """Log in on a demo site of that kind; return the names of the logins that are stored afterwards."""
    settings = settings_in(folder)
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    async with DemoSite(demo) as site:
        profile = profile_for(store, "mine", "deepseek", site.url)
        try:
            await log_in(
                chromium, settings.pages, store, profile, lambda _: None, credentials, keep_browser=keep_browser
            )
        except BridgeError:
            assert store.names() == []
            raise
    return store.names()


@pytest.mark.parametrize(
    "demo",
    [
        QUICK_SITE,
        replace(QUICK_SITE, sign_in="words", lang="zh"),
        replace(QUICK_SITE, sign_in="icon", markup="hashed"),
        *stress(replace(QUICK_SITE, sign_in="words"), replace(QUICK_SITE, sign_in="icon")),
    ],
)
async def test_a_login_finds_its_way_to_the_form_for_a_password(
    tmp_path: Path, chromium: Chromium, demo: DemoSettings
) -> None:
    assert await attempt(tmp_path, chromium, demo, RIGHT) == ["mine"]


async def refused(folder: Path, chromium: Chromium, demo: DemoSettings, *, keep_browser: bool = False) -> None:
    """Log in with a wrong password, and see that the words of the page are told, and no password."""
    async with asyncio.timeout(FORM_LIMIT):
        with pytest.raises(SiteError, match=r"'alice@example.com'.* It says: Incorrect email or password\.") as told:
            await attempt(folder, chromium, demo, WRONG, keep_browser=keep_browser)
    assert "demo-alice" not in str(told.value)
    assert WRONG.password not in str(told.value)


async def test_a_wrong_password_is_answered_with_the_words_of_the_page(tmp_path: Path, chromium: Chromium) -> None:
    await refused(tmp_path, chromium, replace(QUICK_SITE, sign_in_says="toast"))


async def test_a_page_without_a_form_for_a_password_is_said_to_have_none(tmp_path: Path, chromium: Chromium) -> None:
    with pytest.raises(SiteChanged, match="no password form"):
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
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    async with DemoSite(QUICK_SITE) as site:
        site.account("alice").fault("load_human_check", times=None)  # strikes whom the site knows by a cookie
        await log_in(
            chromium, settings.pages, store, profile_for(store, "mine", "deepseek", site.url), said.append, RIGHT
        )
    assert store.names() == ["mine"]
    assert "could not be tested in a fresh browser" in said[0]


@pytest.mark.browser
@pytest.mark.parametrize("starts", [1, *stress(2)])
async def test_a_login_that_no_copy_holds_lives_on_in_the_browsers_own_folder(tmp_path: Path, starts: int) -> None:
    store = ProfileStore(tmp_path / "profiles", load_identity(Settings(config=tmp_path / "config").key_source))
    async with DemoSite(replace(KEYED, accounts=("alice", "bob"))) as site:
        alone = Chromium(settings_for(tmp_path).pages, Telemetry())
        profile = profile_for(store, "alice", "deepseek", site.url)
        await log_in(alone, settings_for(tmp_path).pages, store, profile, lambda _: None, RIGHT, keep_browser=True)
        await alone.close()
        (folder,) = (tmp_path / "config" / "browsers").iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        site.account("alice").fault("cookie_demanded")  # a cookie that ends with the browser, and is in no folder
        for _ in range(starts):
            async with served(tmp_path, site, own=("alice",), browser=HEALTH) as run:
                assert await run.ask(directive(text="kept")) == "kept"
                ours = await run.bridge.browser.processes()
                before = len(run.facts.seen)
                os.kill(next(pid for kind, pid in ours[::-1] if kind == "browser"), signal.SIGKILL)
                await run.facts.state("alice", WorkerState.BROKEN, before)
                assert await run.ask(directive(text="back")) == "back"
                ours += await run.bridge.browser.processes()
            await gone(*(pid for _, pid in ours))
        remove_profile(settings_for(tmp_path).folders.browsers, store, "alice")
        assert not folder.exists()


async def test_an_account_whose_browsers_folder_is_gone_waits_for_a_new_login_and_says_so(
    tmp_path: Path, chromium: Chromium
) -> None:
    settings = settings_for(tmp_path)
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    async with DemoSite(replace(QUICK_SITE, accounts=("alice", "bob"))) as site:
        store.save(signed_in_profile(site, "alice").model_copy(update={"user_data_dir": "alice-1"}))
        async with served(tmp_path, site, chromium, ["bob"]) as run:
            parked = await run.facts.state("alice", WorkerState.LOGGED_OUT)
            assert "alice-1 is not there" in parked.reason
            assert await run.ask("Hello") != ""


@pytest.mark.browser
async def test_a_login_that_fails_says_why_and_leaves_no_folder_behind(tmp_path: Path) -> None:
    alone = Chromium(settings_in(tmp_path).model_copy(update={"browser": light_browser()}).pages, Telemetry())
    await refused(tmp_path, alone, QUICK_SITE, keep_browser=True)
    await alone.close()
    assert list((tmp_path / "config" / "browsers").iterdir()) == []


def test_folders_that_no_profile_names_are_swept_when_they_are_old(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    store = ProfileStore(settings.profiles, load_identity(settings.key_source))
    for name in ("old", "named", "new"):
        (settings.folders.browsers / name).mkdir(parents=True)
    store.save(Profile(name="a", site="deepseek", url="http://x", storage_state=EMPTY, user_data_dir="named"))
    for name in ("old", "named"):
        os.utime(settings.folders.browsers / name, (1, 1))
    sweep_folders(settings.folders, store)
    assert sorted(path.name for path in settings.folders.browsers.iterdir()) == ["named", "new"]
