"""The pages of other makers run, and their site files name the controls that they have."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from bridge.browser.browser import Chromium
from bridge.sites.site_file.page_schema import Selectors
from bridge.sites.site_file.schema import SiteFile, load_site_file
from tests.real_pages.model_behind import ModelBehind
from tests.real_pages.running_pages import RealPage
from tests.support.waiting import until

pytestmark = pytest.mark.pages


async def sign_in(tab: Page, site: SiteFile, page: RealPage) -> None:
    """Fill the page's login form, where it has one."""
    if page.credentials is not None:
        await tab.fill(one_of(site.login.user_field), page.credentials.user)
        await tab.fill(one_of(site.login.password_field), page.credentials.password)
        await tab.click(one_of(site.login.submit))


def one_of(selectors: Selectors) -> str:
    """Return a selector for the visible one of several elements."""
    return f"{selectors[0]} >> visible=true"


async def test_a_page_signs_in_sends_a_prompt_and_passes_the_stop_on(
    chromium: Chromium, real_page: RealPage, model: ModelBehind
) -> None:
    site = load_site_file(real_page.site_file)
    async with chromium.context({}) as context:
        tab = await context.new_page()
        await tab.goto(real_page.url)
        await sign_in(tab, site, real_page)
        await tab.click(one_of(site.composer.box))
        await tab.keyboard.insert_text("endless")

        async def is_asked() -> bool:
            await tab.keyboard.press("Enter")  # until the page has come to life
            return any(one.prompt == "endless" for one in model.requests)

        await until(is_asked)
        await tab.click(one_of(site.composer.stop_button))
        await until(model.last("endless").ended.is_set)
        assert model.last("endless").how == "left"
