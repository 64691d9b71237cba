"""Sites that are data: conversations go on, are stopped, begun anew and deleted on pages known by their file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.errors import SiteChanged
from bridge.telemetry import DriftSeen, WorkerState
from tests.support.hostile import states
from tests.support.small_site import CUT, TURN, bridged, changed, small_site
from tests.support.waiting import until


async def test_a_conversation_goes_on_where_it_was_also_after_another_one(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run:
        said = await run.ask("Hi")
        await run.ask("Something else")
        assert await run.ask("Hi", said, "And now?") == "You said: And now?"
        assert list(site.conversations.values()) == [["Hi", "And now?"], ["Something else"]]


@pytest.mark.parametrize(
    ("parts", "documents"),
    [
        pytest.param({"lost_new_chats": 2}, 1, id="a page that loses two clicks on New chat is clicked a third time"),
        pytest.param({"slow_documents": 1.5}, 2, id="New chat is a link, whose document is waited for"),
    ],
)
async def test_a_new_chat_costs_no_document_more_than_the_page_itself_asks_for(
    tmp_path: Path, chromium: Chromium, parts: dict[str, Any], documents: int
) -> None:
    async with small_site(**parts) as site, bridged(tmp_path, site, chromium) as run:
        await run.ask("One")
        await run.ask("Two")
        assert list(site.conversations.values()) == [["One"], ["Two"]]
        assert site.loads_before == [1, documents]


async def test_a_conversation_that_the_site_has_lost_is_begun_anew(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run:
        said = await run.ask("Hi")
        await run.ask("Something else")
        del site.conversations["c-1"]
        await run.ask("Hi", said, "And now?")
        assert "And now?" in list(site.conversations.values())[-1][0]


async def test_a_client_that_leaves_has_the_pages_stop_button_pressed(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site(lost_new_chats=0) as site, bridged(tmp_path, site, chromium) as run:
        await run.leave()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"
        assert site.loads_before == [1, 1], "the page was left, too, which ends its response as well"


async def test_a_stop_button_that_is_drawn_anew_all_the_time_costs_no_account(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(redraws_stop=2000) as site, bridged(tmp_path, site, chromium) as run:
        await run.leave()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"
        assert WorkerState.BROKEN not in states(run.facts)


async def test_a_stop_button_that_is_gone_with_the_answer_is_no_drift(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run, run.page() as driver:
        await driver.ready()
        await driver.page.evaluate("make('button', { id: 'stop', textContent: 'Stop' })")
        assert await driver.is_generating()
        await driver.page.evaluate("$('stop').remove()")
        await driver.stop()
        assert driver.drift.taken() == {}


async def test_a_page_without_a_stop_button_is_left_so_that_its_response_ends(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(('stop_button = ["#stop"]\n', ""))
    async with small_site() as site, bridged(tmp_path, site, chromium, file) as run:
        await run.leave()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"


async def test_a_stop_button_that_is_always_there_is_told_and_has_the_page_loaded_once(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(('stop_button = ["#stop"]', 'stop_button = ["#box"]'))
    async with small_site() as site, bridged(tmp_path, site, chromium, file) as run:
        said: list[str] = []
        for prompt in ("One", "Two", "Three"):
            said += [prompt, await run.ask(*said, prompt)]
        assert said[1::2] == ["You said: One", "You said: Two", "You said: Three"]
        assert site.loads_before == [2, 2, 2]
        shapes = [fact.shape for fact in run.facts.seen if isinstance(fact, DriftSeen)]
        assert shapes == ["control always shown composer/stop_button"]


async def test_a_page_that_an_error_has_locked_for_good_takes_the_next_prompt_all_the_same(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(locks=True, lost_new_chats=0) as site, bridged(tmp_path, site, chromium) as run:
        with pytest.raises(openai.APIStatusError) as caught:
            await run.ask(CUT)
        assert caught.value.status_code == 502
        assert await run.ask("And now?") == "You said: And now?"
        assert [body["prompt"] for body in site.bodies] == [CUT, "And now?"]


async def test_a_response_that_stays_open_behind_its_end_costs_no_account_and_holds_none_up(
    tmp_path: Path, chromium: Chromium
) -> None:
    turn = TURN.model_copy(update={"end": 3600.0})
    async with small_site(keeps_open=True) as site, bridged(tmp_path, site, chromium, turn=turn) as run:
        for prompt in ("Hi", "And now?"):
            assert await run.ask(prompt) == f"You said: {prompt}"
        assert states(run.facts) == [WorkerState.READY]


async def test_one_bridge_serves_two_sites_and_never_mixes_their_conversations(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site() as site, small_site(box="editor") as other, bridged(tmp_path, site, chromium) as run:
        await run.add(
            "second", other, changed(('name = "small"', 'name = "second"'), ('id = "small"', 'id = "second"'))
        )
        listed = [model.id async for model in run.client.models.list()]
        assert {"small", "second"} <= set(listed)
        assert not [name for name in listed if "search" in name or "think" in name], "neither page has the switch"
        said = await run.ask("Hi", model="small")
        assert await run.ask("Hi", said, "And now?", model="small") == "You said: And now?"
        await run.ask("Hi", said, "And now?", model="second")
        assert list(site.conversations.values()) == [["Hi", "And now?"]]
        (prompts,) = other.conversations.values()
        assert len(prompts) == 1
        assert "Hi" in prompts[0], "the other site gets the history, since it does not have the conversation"
        with pytest.raises(openai.BadRequestError, match="no switch for thinking; leave out -think"):
            await run.ask("Hi", model="second-think")
        with pytest.raises(openai.NotFoundError, match="small, second"):
            await run.ask("Hi", model="third")


async def test_a_conversation_is_deleted_by_the_clicks_that_the_file_names_and_the_page_then_left_it(
    tmp_path: Path, chromium: Chromium
) -> None:
    steps = 'delete = ["#menu", "#delete[data-id=\'{id}\']"]'
    async with (
        small_site(deletes=True, leaves_late=1000) as site,
        bridged(tmp_path, site, chromium, changed(("min_interval = 0.0", f"min_interval = 0.0\n{steps}"))) as run,
    ):
        await run.ask("Hi")
        await run.driver().delete("c-1")
        assert not site.conversations
        await run.driver().delete("c-1")
        assert site.deleted == ["c-1"], "the page that is on its way elsewhere is not used once more"


async def test_a_conversation_that_is_deleted_though_the_page_goes_on_showing_it_counts_as_deleted(
    tmp_path: Path, chromium: Chromium
) -> None:
    steps = 'delete = ["#menu", "#delete"]'
    file = changed(("min_interval = 0.0", f"min_interval = 0.0\n{steps}"))
    async with small_site(deletes=True, stays=True) as site, bridged(tmp_path, site, chromium, file) as run:
        await run.ask("Hi")
        await run.driver().delete("c-1")
        assert site.deleted == ["c-1"]
        assert await run.ask("Hi again") == "You said: Hi again"


async def test_a_conversation_that_the_site_still_has_after_the_clicks_counts_as_not_deleted(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(("min_interval = 0.0", 'min_interval = 0.0\ndelete = ["#menu"]'))
    async with small_site(deletes=True) as site, bridged(tmp_path, site, chromium, file) as run:
        await run.ask("Hi")
        with pytest.raises(SiteChanged, match="still has it"):
            await run.driver().delete("c-1")
        assert await run.ask("Hi again") == "You said: Hi again"
