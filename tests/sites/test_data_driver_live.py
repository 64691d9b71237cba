"""Sites that are data: prompts are put into pages known by their file alone, and sent, with traps of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.telemetry import WorkerState
from tests.support.hostile import states
from tests.support.small_site import TURN, bridged, changed, small_site
from tests.support.stress import stress

BUTTON = ("[composer]", '[composer]\nsend = "button"\nsend_button = ["#send"]')
IMPATIENT = TURN.model_copy(update={"submit": 3, "first_byte": 3})
"""The page sends nothing, and is given up when these are over."""
LEFT = IMPATIENT.model_copy(update={"ready": 10})
"""The page stays away from its site, and is given up when this is over."""


@pytest.mark.parametrize(
    ("box", "send"),
    [
        ("textarea", "enter"),
        ("input", "button"),
        ("editor", "button"),
        *stress(("textarea", "button"), ("input", "enter"), ("editor", "enter")),
    ],
)
async def test_a_prompt_is_put_into_each_kind_of_box_and_sent_as_the_file_says(
    tmp_path: Path, chromium: Chromium, box: str, send: str
) -> None:
    file = changed(BUTTON) if send == "button" else changed()
    async with small_site(box=box, send=send) as site, bridged(tmp_path, site, chromium, file) as run:
        assert await run.ask("Hi <b>you</b> & 雨") == "You said: Hi <b>you</b> & 雨"
        assert await run.ask("Another one") == "You said: Another one"
        assert list(site.conversations.values()) == [["Hi <b>you</b> & 雨"], ["Another one"]]


@pytest.mark.parametrize("box", ["textarea", "editor"])
async def test_lines_and_a_long_prompt_arrive_as_they_were_written(
    tmp_path: Path, chromium: Chromium, box: str
) -> None:
    prompt = "\n".join(f"Line {number}: {'word ' * 20}end\n\n<b>&amp;</b>" for number in range(200))
    async with small_site(box=box) as site, bridged(tmp_path, site, chromium) as run:
        await run.ask(prompt)
        assert list(site.conversations.values()) == [[prompt]]


async def test_a_site_that_allows_no_html_of_a_text_is_typed_into_all_the_same(
    tmp_path: Path, chromium: Chromium
) -> None:
    prompt = "Hi <b>you</b>\n\n\nand  you\n"
    rules = "require-trusted-types-for 'script'; trusted-types 'none'"
    async with small_site(box="editor", rules=rules) as site, bridged(tmp_path, site, chromium) as run:
        for _ in range(2):
            await run.ask(prompt)
        assert list(site.conversations.values()) == [[prompt.strip()]] * 2


@pytest.mark.parametrize(("trap", "prompt"), [("squeezes", "Hi\n\n\n\nyou"), ("quotes", 'Say "hi"')])
async def test_a_prompt_that_the_page_alters_is_refused_and_costs_no_account(
    tmp_path: Path, chromium: Chromium, trap: str, prompt: str
) -> None:
    async with small_site(**{trap: True}) as site, bridged(tmp_path, site, chromium) as run:
        for _ in range(2):
            with pytest.raises(openai.BadRequestError, match="alters this prompt"):
                await run.ask(prompt)
        assert await run.ask("Another one") == "You said: Another one"
        assert list(site.conversations.values()) == [["Another one"]]
        assert WorkerState.BROKEN not in states(run.facts)


@pytest.mark.parametrize(
    ("parts", "file"),
    [
        pytest.param({"hydrates_after": 1.5}, changed(), id="keys before hydration are lost, and the text with them"),
        pytest.param(
            {"send": "button", "hydrates_after": 1.5}, changed(BUTTON), id="clicks before hydration are lost, too"
        ),
        pytest.param({"hidden_twin": True}, changed(("#box", ".box")), id="a hidden twin of the text box"),
        pytest.param({"shadow": True}, changed(), id="controls in a shadow root"),
        pytest.param(
            {"box": "editor", "shadow": True}, changed(), id="an editor in a shadow root", marks=pytest.mark.stress
        ),
        pytest.param(
            {"box": "editor", "one_write": True}, changed(), id="what is written in two pieces loses its tail"
        ),
        pytest.param({"placeholder": True, "box": "editor"}, changed(), id="an editor's placeholder is text in it"),
        pytest.param({"swallow_first": True}, changed(), id="the first send does nothing"),
        pytest.param(
            {"reload_at_send": True, "stop_at_first": True, "hydrates_after": 1.0},
            changed(),
            id="it loads itself anew in place of the first send, and shows a stop button while it is being built",
        ),
        pytest.param({"calls_out": True}, changed(), id="it waits for files of hosts that it does not get"),
        pytest.param({"late_enable": 500, "send": "button"}, changed(BUTTON), id="a button that is enabled late"),
        pytest.param(
            {"send_with_text": True, "send": "button"}, changed(BUTTON), id="a button that is there only with a text"
        ),
    ],
)
async def test_a_prompt_is_sent_once_and_whole_in_spite_of(
    tmp_path: Path, chromium: Chromium, parts: dict[str, Any], file: str
) -> None:
    async with small_site(**parts) as site, bridged(tmp_path, site, chromium, file) as run:
        assert await run.ask("One") == "You said: One"
        assert await run.ask("Two") == "You said: Two"
        assert list(site.conversations.values()) == [["One"], ["Two"]]


async def test_a_page_that_loads_itself_anew_with_the_prompt_costs_that_chat_alone(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with (
        small_site(reload_when_taken=True, stop_at_first=True) as site,
        bridged(tmp_path, site, chromium, turn=IMPATIENT) as run,
    ):
        for _ in range(2):
            with pytest.raises(openai.APIStatusError, match="reloaded itself") as caught:
                await run.ask("Hi")
            assert caught.value.status_code == 502
        assert not site.bodies
        assert states(run.facts) == [WorkerState.READY]


DIALOG = '[[dialogs]]\nselector = "#dialog"\nclose = ["#dialog button"]'


@pytest.mark.parametrize("when", ["dialog_at_load", "dialog_at_send"])
async def test_a_dialog_is_closed_also_one_that_swallows_the_first_prompt(
    tmp_path: Path, chromium: Chromium, when: str
) -> None:
    file = changed(("[composer]", f"{DIALOG}\n\n[composer]"))
    async with small_site(**{when: True}) as site, bridged(tmp_path, site, chromium, file) as run:
        assert await run.ask("One") == "You said: One"
        assert list(site.conversations.values()) == [["One"]]


async def test_a_check_of_a_human_before_the_prompt_leaves_is_a_persons_to_pass(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(("min_interval = 0.0", 'min_interval = 0.0\nhuman = [{ selector = "#slider" }]'))
    async with small_site(captcha=True) as site, bridged(tmp_path, site, chromium, file, turn=IMPATIENT) as run:
        with pytest.raises(openai.APIStatusError) as refused:
            await run.ask("Hi")
        assert (refused.value.status_code, refused.value.code) == (503, "human_needed")
        assert not site.bodies


@pytest.mark.parametrize("way", ["toast", "alert"])
async def test_what_the_page_tells_its_user_is_why_it_sends_nothing(
    tmp_path: Path, chromium: Chromium, way: str
) -> None:
    rule = '[[refusals]]\nkind = "rate"\npage_text = "too often"'
    file = changed(("min_interval = 0.0", 'min_interval = 0.0\nnotices = [".toast"]'), more=(rule,))
    said, patient = "You write too often.", TURN.model_copy(update={"submit": 600})
    async with small_site(**{way: said}) as site, bridged(tmp_path, site, chromium, file, turn=patient) as run:
        with pytest.raises(openai.RateLimitError, match=said):
            await run.ask("Hi")
        assert not site.bodies


UPLOAD = """
[upload]
input = ["#picker"]
card = ".card"
busy = ".card.reading"
failed = ".card.failed"
remove = ".card .remove"

[request]
files = "files[*]"
"""


async def test_files_go_with_their_prompt_and_one_that_the_page_refuses_is_named(
    tmp_path: Path, chromium: Chromium
) -> None:
    def with_file(name: str) -> Any:
        file = {"filename": name, "file_data": "data:text/plain;base64,SGk="}
        return [{"role": "user", "content": [{"type": "text", "text": "Read"}, {"type": "file", "file": file}]}]

    async with small_site() as site, bridged(tmp_path, site, chromium, changed(("[request]", UPLOAD))) as run:
        await run.client.chat.completions.create(model="small", messages=with_file("notes.txt"))
        with pytest.raises(openai.UnprocessableEntityError, match=r"picture\.bad"):
            await run.client.chat.completions.create(model="small", messages=with_file("picture.bad"))
        await run.ask("Without any")
        assert [body["files"] for body in site.bodies] == [["notes.txt"], []]


async def test_the_prompt_never_reaches_a_page_of_another_origin(tmp_path: Path, chromium: Chromium) -> None:
    async with (
        small_site() as stranger,
        small_site(leaves_to=stranger.url, box="editor") as site,
        bridged(tmp_path, site, chromium, turn=LEFT) as run,
    ):
        with pytest.raises(openai.APIStatusError):
            await run.ask("Secret")
        assert stranger.typed == []
