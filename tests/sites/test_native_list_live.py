"""A page whose models are a native list: nothing of it can be clicked, and the driver and the learning choose in it."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from playwright.async_api import Error as PlaywrightError

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import has_moved_on
from bridge.demo import Script
from bridge.sites.guarded_page import held
from bridge.sites.site_file.native_list import set_native_list
from tests.sites.standin_runs import FILES, wire_run
from tests.support.other_zai import with_native_list, zai_with_native_list


async def test_a_model_is_chosen_in_a_native_list_and_one_that_it_does_not_have_is_named(
    tmp_path: Path, chromium: Chromium
) -> None:
    text = with_native_list((FILES / "zai.toml").read_text("utf-8"))
    text += '\n[[models]]\nid = "glm-6"\nchoice = "GLM-6"\n'
    async with wire_run(zai_with_native_list(tmp_path), text, tmp_path, chromium) as run:
        for model, called in (("glm-flash", "glm-5.3-flash"), ("glm", "glm-5.3"), ("glm", "glm-5.3")):
            run.account.script(Script(text="Here."))
            assert (await run.ask("Who are you?", model=model)).content == "Here."
            assert run.account.turns[-1].model_type == called
        with pytest.raises(openai.APIStatusError, match=r"no model 'GLM-6'; it has GLM-5\.3, GLM-5\.3-Flash"):
            await run.ask("Who are you?", model="glm-6")
        assert len(run.account.turns) == 3
        assert run.site.strange == []


async def test_a_list_that_has_just_lost_an_entry_is_looked_at_again(chromium: Chromium) -> None:
    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.set_content("<select><option>One</option></select>")
        element = await page.query_selector("select")
        assert element is not None
        async with held(element):
            with pytest.raises(PlaywrightError) as caught:
                await set_native_list(element, "Two", 1000)
    assert has_moved_on(caught.value)
