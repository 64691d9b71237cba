"""Sites that are data: a bridge answers through pages that it knows by their file alone, with traps of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.errors import LoginRequired, RateLimited, SiteBusy, SiteError
from bridge.telemetry import DriftSeen, WorkerState
from tests.support.hostile import states
from tests.support.small_site import CUT, SLOW, TURN, bridged, changed, small_site
from tests.support.stress import stress
from tests.support.waiting import until

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


async def test_a_conversation_goes_on_where_it_was_also_after_another_one(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run:
        said = await run.ask("Hi")
        await run.ask("Something else")
        assert await run.ask("Hi", said, "And now?") == "You said: And now?"
        assert list(site.conversations.values()) == [["Hi", "And now?"], ["Something else"]]


async def test_a_client_that_leaves_has_the_pages_stop_button_pressed(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run:
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": SLOW}], stream=True
        )
        await anext(aiter(stream))
        await stream.close()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"


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


DIALOG = '[[dialogs]]\nselector = "#dialog"\nclose = ["#dialog button"]'


@pytest.mark.parametrize("when", ["dialog_at_load", "dialog_at_send"])
async def test_a_dialog_is_closed_also_one_that_swallows_the_first_prompt(
    tmp_path: Path, chromium: Chromium, when: str
) -> None:
    file = changed(("[composer]", f"{DIALOG}\n\n[composer]"))
    async with small_site(**{when: True}) as site, bridged(tmp_path, site, chromium, file) as run:
        assert await run.ask("One") == "You said: One"
        assert list(site.conversations.values()) == [["One"]]


@pytest.mark.parametrize("late", [800, *stress(0)])
async def test_an_account_is_signed_out_however_late_the_page_shows_it(
    tmp_path: Path, chromium: Chromium, late: int
) -> None:
    proof = (
        'signed_in = [{ call = "/api/user", when = { name = { exists = true } } }]',
        'settle = 2.0\nsigned_in = [{ storage = "token" }]',
    )
    async with small_site(late_sign_in=late, stale_token=True) as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(proof), state=WorkerState.LOGGED_OUT):
            assert not site.bodies


async def test_a_page_that_offers_to_sign_in_until_it_knows_its_user_is_not_signed_out(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(flash_sign_in=500) as site, bridged(tmp_path, site, chromium) as run:
        assert await run.ask("Hi") == "You said: Hi"
        async with run.page() as driver:
            for _ in range(3):
                await driver.page.reload(wait_until="commit")
                await driver.ready()
        assert WorkerState.LOGGED_OUT not in states(run.facts)


@pytest.mark.parametrize(("status", "error"), [(500, SiteBusy), (429, RateLimited)])
async def test_a_site_that_fails_to_tell_who_is_signed_in_signs_nobody_out(
    tmp_path: Path, chromium: Chromium, status: int, error: type[SiteError]
) -> None:
    signs = ("signed_out = [", 'signed_out = [{ call = "/api/user", when = { name = { exists = false } } }, ')
    async with small_site() as site, bridged(tmp_path, site, chromium, changed(signs)) as run, run.page() as driver:
        site.user_failure, driver.limit = status, 3
        await driver.page.reload(wait_until="commit")
        await driver.page.wait_for_selector("#sign-in")
        with pytest.raises(error) as raised:
            await driver.ready()
        assert type(raised.value) is error
        site.user_failure, site.user = None, None
        await driver.page.reload(wait_until="commit")
        with pytest.raises(LoginRequired):
            await driver.ready()


async def test_a_guest_is_signed_in_nowhere_though_the_page_has_the_whole_composer(
    tmp_path: Path, chromium: Chromium
) -> None:
    by_call = (
        'signed_out = [{ selector = "#sign-in" }]',
        'signed_out = [{ call = "/api/user", when = { guest = true } }]',
    )
    async with small_site() as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(by_call), state=WorkerState.LOGGED_OUT):
            assert not site.bodies


async def test_guests_may_chat_where_the_file_says_so(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, changed(("[login]", "[login]\nguest = true"))) as run:
            assert await run.ask("Hi") == "You said: Hi"


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


async def test_a_conversation_that_the_site_has_lost_is_begun_anew(tmp_path: Path, chromium: Chromium) -> None:
    async with small_site() as site, bridged(tmp_path, site, chromium) as run:
        said = await run.ask("Hi")
        await run.ask("Something else")
        del site.conversations["c-1"]
        await run.ask("Hi", said, "And now?")
        assert "And now?" in list(site.conversations.values())[-1][0]


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


async def test_a_stop_button_that_is_drawn_anew_all_the_time_costs_no_account(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(redraws_stop=2000) as site, bridged(tmp_path, site, chromium) as run:
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": SLOW}], stream=True
        )
        async with stream:
            await anext(aiter(stream))
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
        stream = await run.client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": SLOW}], stream=True
        )
        await anext(aiter(stream))
        await stream.close()
        await until(lambda: site.stopped == 1)
        assert await run.ask("Still there?") == "You said: Still there?"


async def test_a_page_that_an_error_has_locked_for_good_takes_the_next_prompt_all_the_same(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with small_site(locks=True, lost_new_chats=0) as site, bridged(tmp_path, site, chromium) as run:
        with pytest.raises(openai.APIStatusError) as caught:
            await run.ask(CUT)
        assert caught.value.status_code == 502
        assert await run.ask("And now?") == "You said: And now?"
        assert [body["prompt"] for body in site.bodies] == [CUT, "And now?"]


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


async def test_a_conversation_is_deleted_by_the_clicks_that_the_file_names(tmp_path: Path, chromium: Chromium) -> None:
    steps = 'delete = ["#menu", "#delete[data-id=\'{id}\']"]'
    async with (
        small_site(deletes=True) as site,
        bridged(tmp_path, site, chromium, changed(("min_interval = 0.0", f"min_interval = 0.0\n{steps}"))) as run,
    ):
        await run.ask("Hi")
        await run.driver().delete("c-1")
        await until(lambda: not site.conversations)
        await run.driver().delete("c-1")


async def test_the_form_and_a_token_sign_in_where_the_file_names_them(tmp_path: Path, chromium: Chromium) -> None:
    fields = 'user_field = ["#user"]\npassword_field = ["#password"]\nsubmit = ["#enter"]\nstorage_token = "token"'
    file = changed(("[login]", f"[login]\n{fields}"))
    async with small_site(form=True) as site:
        site.user = None
        async with bridged(tmp_path, site, chromium, file, state=WorkerState.LOGGED_OUT) as run:
            async with run.page() as driver:
                await driver.sign_in("me", "secret")
                await until(lambda: site.signed_in_as == ("me", "secret"))
            state = type(driver).token_state(site.url, "t-1")
            assert state["origins"] == [{"origin": site.url, "localStorage": [{"name": "token", "value": "t-1"}]}]


async def test_the_prompt_never_reaches_a_page_of_another_origin(tmp_path: Path, chromium: Chromium) -> None:
    async with (
        small_site() as stranger,
        small_site(leaves_to=stranger.url, box="editor") as site,
        bridged(tmp_path, site, chromium, turn=LEFT) as run,
    ):
        with pytest.raises(openai.APIStatusError):
            await run.ask("Secret")
        assert stranger.typed == []
