"""`bridge login` without a screen, to its end: the printed link is opened in a browser, and somebody signs in there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Locator, Page, expect

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import WorkerState
from tests.liveview.test_remote_login import NO_SCREEN
from tests.support.commands import Home, Running
from tests.support.live import QUICK_SITE, directive, live
from tests.support.waiting import LIMIT
from tests.support.watching import login_page, person


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
        await view.keyboard.insert_text(account.email)
        await click(view, twin.locator("input[type=password]"))
        await view.keyboard.insert_text(account.password)
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
        assert ProfileStore(home.settings.profiles, load_identity(home.settings.key_source)).names() == ["bob", "me"]
    assert home.left_running() == []


@pytest.mark.timeout(180)
async def test_a_bridge_that_runs_shows_the_page_and_serves_the_new_account_at_once(
    home: Home, chromium: Chromium
) -> None:
    async with live(home.folder, chromium=chromium) as run, person(run, chromium) as someone:
        port = {"BRIDGE_SERVER_PORT": run.bridge.url.rpartition(":")[2]}
        async with home.started("login", "me", "--url", run.site.url, **NO_SCREEN, **port) as login:
            link = await link_of(login)
            await someone.page.goto(link)
            await someone.has_controls()
            page = await login_page(run, parse_qs(urlsplit(link).query)["login"][0])
            account = run.site.add_account("bob")
            await page.locator("input[autocomplete=username]").fill(account.email)
            await page.locator("input[type=password]").fill(account.password)
            await page.get_by_role("button", name="Log in", exact=True).click()
            await someone.page.get_by_text("me is logged in").wait_for()
            assert await login.process.wait() == 0
        await run.facts.state("me", WorkerState.READY)
        await run.bridge.pool.pause("alice")
        assert await run.ask(directive(text="Good day")) == "Good day"
