"""One Chromium for the whole folder, and a fast demo site for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bridge.browser.chromium import find, sandboxed
from bridge.demo import Account, DemoSettings, DemoSite
from tests.support.browsers import light_browser

from .browsing import shown, sign_in

QUICK = DemoSettings(settle=(0, 0), toggle_settle=(0, 0), form_delay=(0, 0), pow_difficulty=20, rate=0.0)
expect.set_options(timeout=60_000)  # a limit for slow machines


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    settings = light_browser()
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=find(settings), chromium_sandbox=sandboxed(settings)
        )
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site() -> AsyncIterator[DemoSite]:
    async with DemoSite(QUICK) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Share one context, so that the files of the page are loaded once."""
    async with await browser.new_context() as shared:
        yield shared


@pytest.fixture
def account(site: DemoSite) -> Account:
    """Return an account of its own for each test."""
    return site.add_account(f"user{len(site.accounts)}")


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, site: DemoSite, account: Account) -> AsyncIterator[Page]:
    """Open the page as the account, which is already signed in, and fail on errors of its scripts."""
    async with shown(await sign_in(context, site, account), site) as page:
        yield page
