"""A page whose build renamed, moved and translated its controls is driven by the site file of before, and says so."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.demo import Script
from bridge.telemetry import DriftSeen
from tests.sites.standin_runs import FILES, wire_run
from tests.support.renamed_page import renamed_minimax
from tests.support.small_site import TURN, SmallBridge, bridged, changed, small_site
from tests.support.stress import stress
from tests.support.waiting import until

BUTTON = ("[composer]", '[composer]\nsend = "button"\nsend_button = ["#send"]')
LAST = "[take the text box away]"
SHORT = TURN.model_copy(update={"ready": 20.0, "submit": 12.0})
ALL = ("box", "send", "stop", "new-chat")


def moved(run: SmallBridge) -> set[str]:
    """Return the controls that were reported to have moved."""
    shapes = [fact.shape for fact in run.facts.seen if isinstance(fact, DriftSeen)]
    return {shape.removeprefix("moved control ") for shape in shapes}


@pytest.mark.parametrize("box", ["textarea", *stress("editor")])
async def test_chats_go_on_through_controls_that_have_moved_each_is_reported_and_nothing_else_is_touched(
    tmp_path: Path, chromium: Chromium, box: str
) -> None:
    async with (
        small_site(box=box, send="button", renamed=ALL, decoys=True) as site,
        bridged(tmp_path, site, chromium, changed(BUTTON), turn=SHORT) as run,
    ):
        said = await run.ask("Hi <b>you</b> & 雨")
        assert said == "You said: Hi <b>you</b> & 雨"
        assert await run.ask("Hi <b>you</b> & 雨", said, "And now?") == "You said: And now?"
        assert await run.ask("Another one") == "You said: Another one"
        assert list(site.conversations.values()) == [["Hi <b>you</b> & 雨", "And now?"], ["Another one"]]
        assert moved(run) == {"composer/box", "composer/send_button"}
        await run.leave()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"
        assert "composer/stop_button" in moved(run)
        with pytest.raises(openai.APIStatusError, match="prompt"):
            await run.ask("[tampered with]")
        assert site.bodies[-1]["prompt"] == "Still there?", "the gate judges what they send, too"
        said = await run.ask(LAST)
        run.driver().limit = 2.0
        with pytest.raises(openai.APIStatusError, match=r"'composer.box' was not found .*`bridge sites heal`"):
            await run.ask(LAST, said, "Secret")
        assert site.bodies[-1]["prompt"] == LAST
        assert set(site.typed) <= {"x"}, "something else than the composer was typed into, or clicked"


async def test_a_stand_in_of_a_later_build_is_driven_by_the_file_that_is_shipped(
    tmp_path: Path, chromium: Chromium
) -> None:
    text = (FILES / "minimax.toml").read_text("utf-8")
    async with wire_run(renamed_minimax(tmp_path), text, tmp_path, chromium) as run:
        run.account.script(Script(text="Only words."))
        assert (await run.ask("First")).content == "Only words."
        run.account.script(Script(thinking="A thought.", text="Then words."))
        said = await run.ask("Think", model="minimax-think")
        assert (said.reasoning_content, said.content) == ("A thought.", "Then words.")
        assert [turn.prompt for turn in run.account.turns] == ["First", "Think"]
        assert run.site.strange == []
        shapes = {fact.shape for fact in run.facts.seen if isinstance(fact, DriftSeen)}
        assert shapes == {
            f"moved control {name}" for name in ("composer/box", "composer/send_button", "thinking/control")
        }


async def test_no_other_button_is_clicked_where_the_send_button_is_gone(tmp_path: Path, chromium: Chromium) -> None:
    turn = SHORT.model_copy(update={"submit": 4.0})
    async with (
        small_site(send="button", renamed=ALL, no_send=True, decoys=True) as site,
        bridged(tmp_path, site, chromium, changed(BUTTON), turn=turn) as run,
    ):
        with pytest.raises(openai.APIStatusError, match=r"'composer.send_button' was not found") as caught:
            await run.ask("Secret")
        assert "`bridge sites heal`" in caught.value.message
        assert "`bridge learn`" in caught.value.message
        assert (set(site.typed), site.bodies, moved(run)) == ({"x"}, [], {"composer/box"})
