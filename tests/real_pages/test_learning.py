"""The pages of other makers are learned by chatting on them, and the files that come of it work unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from bridge.login.site_learning import Lesson, learn_site
from bridge.sites.site_file.schema import load_site_file
from bridge.storage.profiles import Profile
from tests.real_pages.by_hand import sign_in
from tests.real_pages.running_pages import RealPage, page_parameters
from tests.support.browsers import light_browser
from tests.support.live import settings_for
from tests.support.teaching import Teacher

pytestmark = pytest.mark.pages

NOT_LEARNED = dict.fromkeys(
    ("open-webui", "open-webui-polled"), "its code blocks are editors, which `bridge learn` does not read"
)


async def signed_in_state(chromium: Chromium, page: RealPage) -> Any:
    """Return the state of a browser that is signed in to a page."""
    site = await asyncio.to_thread(load_site_file, page.site_file)
    async with chromium.context({}) as context:
        tab = await context.new_page()
        await tab.goto(page.url)
        await sign_in(tab, site, page)
        await tab.wait_for_selector(f"{site.composer.box[0]} >> visible=true")
        return await context.storage_state()


@pytest.mark.parametrize("real_page", page_parameters(NOT_LEARNED), indirect=True)
async def test_a_page_is_learned_and_its_file_passes_three_chats_with_no_hand_edit(
    chromium: Chromium, real_page: RealPage, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, browser=light_browser(hosts="any"))  # a model of one's own is on this machine
    out = tmp_path / "learned.toml"
    state = await signed_in_state(chromium, real_page)
    profile = Profile(name="me", site=str(out), url=real_page.url, storage_state=state)
    learned = await learn_site(chromium, settings.pages, Lesson(real_page.url, "learned", out), profile, Teacher())
    assert [proof for proof in learned.proofs if proof.failure] == []
    assert len(learned.proofs) >= 3
    assert learned.needed == []
