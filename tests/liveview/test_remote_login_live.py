"""`bridge login` without a screen, to its end: the printed link is opened in a browser, and somebody signs in there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from tests.liveview.test_remote_login import NO_SCREEN
from tests.support.commands import Home, Running
from tests.support.live import QUICK_SITE
from tests.support.waiting import LIMIT


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


async def sign_in(link: str, site: DemoSite, chromium: Chromium) -> None:
    """Open the link and sign in as alice on the picture that it shows."""
    async with chromium.context({"viewport": {"width": 1280, "height": 900}}) as context:
        view, twin = await context.new_page(), await context.new_page()
        view.set_default_timeout(LIMIT * 1000)
        await twin.set_viewport_size({"width": 1280, "height": 800})
        await twin.goto(site.url)  # the same page again: it tells where things are
        await view.goto(link)
        await view.get_by_role("button", name=re.compile("Give (back|up)")).wait_for()
        await expect(view.locator("#address")).to_be_enabled(timeout=LIMIT * 1000)
        account = site.account("alice")
        await click(view, twin.locator("input[autocomplete=username]"))
        await view.keyboard.type(account.email)
        await click(view, twin.locator("input[type=password]"))
        await view.keyboard.type(account.password)
        await view.keyboard.press("Enter")
        await view.get_by_text("me is logged in").wait_for()


async def click(view: Page, what: Locator) -> None:
    await what.wait_for(timeout=LIMIT * 1000)
    there, picture = await what.bounding_box(), await view.locator("#screen").bounding_box()
    assert there is not None
    assert picture is not None
    x = picture["x"] + (there["x"] + there["width"] / 2) * picture["width"] / 1280
    y = picture["y"] + (there["y"] + there["height"] / 2) * picture["height"] / 800
    await view.mouse.click(x, y)


async def link_of(login: Running) -> str:
    found = re.search(r"http://\S+/dashboard/live\?login=\S+", await login.shows("Ctrl-C"))
    assert found
    return found[0]


@pytest.mark.timeout(180)
async def test_without_a_screen_and_a_running_bridge_somebody_signs_in_by_the_printed_link(
    home: Home, chromium: Chromium
) -> None:
    async with DemoSite(QUICK_SITE) as site:
        home.log_in(site, "bob")  # an account that is none of this login's business
        async with home.started("login", "me", "--url", site.url, **NO_SCREEN) as login:
            await sign_in(await link_of(login), site, chromium)
            assert not site.account("bob").pages
            await login.shows("me is logged in")
            assert await login.process.wait() == 0
        assert ProfileStore(home.settings.profiles, load_identity(home.settings)).names() == ["bob", "me"]
    assert home.left_running() == []


@pytest.mark.timeout(180)
async def test_a_bridge_that_runs_shows_the_page_and_serves_the_new_account_at_once(
    home: Home, chromium: Chromium
) -> None:
    async with DemoSite(QUICK_SITE) as site, home.started("serve") as bridge:
        url = re.search(r"http://127\.0\.0\.1:(\d+)", await bridge.shows("Accounts"))
        assert url
        port = {"BRIDGE_SERVER_PORT": url[1]}
        async with home.started("login", "me", "--url", site.url, **NO_SCREEN, **port) as login:
            await sign_in(await link_of(login), site, chromium)
            assert await login.process.wait() == 0
        answer = await home.run("chat", "Good day", **port)
        assert (answer.code, "Good day" in answer.out) == (0, True), answer.err
