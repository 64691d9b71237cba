"""An operator with nothing but a browser teaches the bridge a site, and goes on to log in an account of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from loguru import logger
from playwright.async_api import Page, expect

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.sites.site_file.schema import load_site_file
from tests.liveview.test_operator_live import signed_in
from tests.support.dashboard_pages import Dashboard
from tests.support.live import QUICK_SITE, Live, served
from tests.support.waiting import LIMIT, until
from tests.support.watching import WIDE, Person, person

NARROW = (360, 740)
LEARNED = 240_000.0
"""Milliseconds within which a page has been learned on a slow machine."""


async def begin(someone: Person, name: str) -> str:
    """Ask for a site to be learned, and return the id of it."""
    page = someone.page
    await page.get_by_role("button", name="Learn a site").click()
    await page.get_by_label("Address of an empty chat").fill(someone.run.site.url)
    await page.get_by_label("Name of the site").fill(name)
    await page.get_by_role("button", name="Open the page").click()
    await page.wait_for_url("**/dashboard/live?learning=*")
    return parse_qs(urlsplit(page.url).query)["learning"][0]


async def learned_page(run: Live, id: str) -> Page:  # noqa: A002
    """Return the page that is learned, once it is open."""
    assert run.bridge.views is not None
    target = run.bridge.views.learnings.target(id)
    await until(lambda: target.session is not None)
    assert target.session is not None
    return target.session.page


async def sign_in(someone: Person, shown: Page) -> None:
    """Sign in as bob, on the picture."""
    account = someone.run.account("bob")
    await someone.click(shown.locator("input[autocomplete=username]"))
    await someone.type(account.email)
    await someone.click(shown.locator("input[type=password]"))
    await someone.type(account.password)
    await someone.page.keyboard.press("Enter")
    await shown.locator("textarea").first.wait_for(timeout=LIMIT * 1000)


async def fits(dashboard: Dashboard) -> None:
    """Check that the page is accessible, and as narrow as a small phone, in both colours."""
    before = dashboard.page.viewport_size
    for scheme in ("light", "dark"):
        await dashboard.page.emulate_media(color_scheme=scheme)
        assert await dashboard.violations() == []
    await dashboard.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert await dashboard.overflow() <= 0
    if before is not None:
        await dashboard.page.set_viewport_size(before)


@pytest.mark.timeout(400)
async def test_a_site_is_learned_with_nothing_but_a_browser(tmp_path: Path, chromium: Chromium) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="DEBUG")
    async with (
        DemoSite(replace(QUICK_SITE, rate=80)) as site,
        served(tmp_path, site, chromium, ["alice"]) as run,
        person(run, chromium, WIDE) as someone,
    ):
        page, dashboard = someone.page, await signed_in(someone)
        shown = await learned_page(run, await begin(someone, "taught"))
        await someone.has_controls()
        await page.get_by_role("button", name="Send it for me").click()
        await expect(page.get_by_text("Sign in first, then let the bridge send it")).to_be_visible()
        await sign_in(someone, shown)
        await fits(dashboard)
        prompt = await page.locator("#lesson-prompt").inner_text()
        await page.get_by_role("button", name="Send it for me").click()
        await expect(page.locator("#standing")).to_have_text("learned", timeout=LEARNED)
        await expect(page.locator("#lesson-chats .badge")).to_have_text(["passed"] * 4)
        await expect(page.locator("#lesson-fields li", has_text="composer.box")).to_contain_text("certain")
        await page.reload()  # what was learned can still be looked up
        await expect(page.locator("#lesson-chats .badge")).to_have_text(["passed"] * 4)
        await fits(dashboard)
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Download").click()
        path = run.settings.folders.site_files / "taught.toml"
        download = await saving.value
        assert download.suggested_filename == "taught.toml"
        saved = await asyncio.to_thread(Path(await download.path()).read_bytes)
        assert saved == await asyncio.to_thread(path.read_bytes)
        assert (await asyncio.to_thread(load_site_file, path)).name == "taught"
        await page.get_by_label("Log in an account of this site").fill("mine")
        await page.get_by_role("button", name="Open the sign-in page").click()
        await page.wait_for_url("**/dashboard/live?login=*")
        await expect(page.locator("#name")).to_have_text("Log in mine")
        account = run.account("bob")
    logger.remove(sink)
    text = "".join(lines)
    assert not any(secret in text for secret in (prompt, prompt[60:100], account.password, account.email))
