"""A page that nobody has described is learned by chatting on it, and the file that comes of it works unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.demo.standins import STAND_INS, StandIn
from bridge.sites.learning.inference import read_wire
from bridge.sites.learning.learn_page import chat_twice, watched_page
from tests.support.live import QUICK_SITE
from tests.support.stress import stress
from tests.support.teaching import Teacher, learned
from tests.support.waiting import until


@asynccontextmanager
async def page_of(name: str) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Run a page, slowly enough to see what stops an answer; yield its address and the state of who is signed in."""
    if name == "demo":
        async with DemoSite(replace(QUICK_SITE, accounts=("alice",), rate=80)) as site:
            yield site.url, site.account("alice").storage_state()
    else:
        async with StandIn(STAND_INS[name](), rate=80) as site:
            yield site.url, site.account("alice").storage_state()
            assert site.strange == []


CONTROLS = {
    "demo": {"search"},
    "kimi": set(),
    "qwen": {"model_menu"},
    "zai": {"thinking", "search", "model_menu"},
}
"""What is learned of the switches and the models of each page."""


@pytest.mark.parametrize("name", ["zai", *stress("demo", "kimi", "qwen")])
async def test_a_learned_site_file_passes_its_chats_with_no_hand_edit_and_keeps_nothing_of_them_or_the_login(
    chromium: Chromium, tmp_path: Path, name: str
) -> None:
    async with page_of(name) as (url, state):
        site, written = await learned(chromium, tmp_path, url, state)
    assert [proof for proof in site.proofs if proof.failure] == []
    assert len(site.proofs) == 3 + bool(CONTROLS[name])
    assert {one for one in ("thinking", "search", "model_menu") if getattr(written, one)} == CONTROLS[name]
    assert site.needed == []
    assert written.composer.stop_button
    assert written.conversation_url
    assert not written.login.guest
    assert written.login.signed_in or written.login.signed_out
    text = await asyncio.to_thread((tmp_path / "learned.toml").read_text, "utf-8")
    assert "Repeat exactly" not in text
    assert not any(cookie["value"] in text for cookie in state["cookies"])
    assert "Repeat exactly" not in repr(site)


async def test_a_person_may_send_the_first_prompt(chromium: Chromium) -> None:
    teacher = Teacher(wants_sending=False)
    async with (
        page_of("kimi") as (url, state),
        chromium.context({"storage_state": state}) as context,
        watched_page(context, url) as trial,
    ):

        async def person() -> None:
            await until(lambda: bool(teacher.prompt))
            await trial.watch.page.click(".chat-input-editor")
            await trial.watch.page.keyboard.insert_text(teacher.prompt)
            await until(lambda: bool(trial.learned.box))
            await trial.watch.page.click(".send-button-container")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(person())
            tasks.create_task(chat_twice(trial, teacher))
        wire = read_wire(trial.turns)
    assert trial.learned.sends_by_enter is False
    assert trial.learned.box[0] == "div.chat-input-editor"
    assert "send-button-container" in trial.learned.send_button[0]
    assert wire.answer is not None
    assert wire.ids.conversation == "chat_id"
