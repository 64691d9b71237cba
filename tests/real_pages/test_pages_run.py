"""The pages of other makers run, and their site files name the controls that they have."""

from __future__ import annotations

import pytest

from bridge.browser.browser import Chromium
from bridge.sites.site_file.schema import load_site_file
from tests.real_pages.by_hand import ask, one_of, sign_in
from tests.real_pages.model_behind import ModelBehind
from tests.real_pages.running_pages import RealPage
from tests.support.waiting import until

pytestmark = pytest.mark.pages


async def test_a_page_signs_in_sends_a_prompt_and_passes_the_stop_on(
    chromium: Chromium, real_page: RealPage, model: ModelBehind
) -> None:
    site = load_site_file(real_page.site_file)
    async with chromium.context({}) as context:
        tab = await context.new_page()
        await tab.goto(real_page.url)
        await sign_in(tab, site, real_page)
        await ask(tab, site, model, "endless")
        await tab.click(one_of(site.composer.stop_button))
        await until(model.last("endless").ended.is_set)
        assert model.last("endless").how == "left"
