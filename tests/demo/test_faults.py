"""Every fault of the table does on the page what its sentence says."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from bridge.demo import FAULTS, Account, DemoSettings, DemoSite, Script
from tests.support.stress import stress

from .browsing import ask, signed_in_page
from .conftest import QUICK

ANSWER = ".ds-assistant-message-main-content"
SEND = ".ds-button--primary.ds-button--circle"
COMPOSER = "textarea[placeholder*='DeepSeek']"
TEXT = "one two three four five six seven eight nine ten"
BUSY = "Server busy, please try again later."


def ended(number: int) -> Any:
    """Tell whether the turn with this number has ended."""
    return lambda account: len(account.turns) >= number and account.turns[number - 1].outcome


async def _outcome(page: Page, account: Account, prompt: str = "hi") -> str:
    number = len(account.turns) + 1
    await ask(page, prompt)
    await account.wait_for(ended(number), timeout=60)
    return account.turns[number - 1].outcome


def test_every_fault_has_a_sentence_and_a_test() -> None:
    tests = Path(__file__).read_text()
    for name, fault in FAULTS.items():
        assert re.fullmatch(r"[A-Z].*\.", fault.text), name
        assert f'"{name}"' in tests, name


def test_an_unknown_fault_or_parameter_is_refused() -> None:
    account = DemoSite().account("alice")
    with pytest.raises(ValueError, match="no fault 'flood'"):
        account.fault("flood")
    with pytest.raises(ValueError, match="has no volume"):
        account.fault("abort", volume=11)
    with pytest.raises(ValueError, match="cannot strike a single turn"):
        account.script(Script(fault="enter_ignored"))


def test_a_fault_strikes_as_often_as_it_was_asked_to() -> None:
    account = DemoSite().account("alice")
    account.fault("biz_7", times=2)
    struck = [account.board.take("reply", "/api/v0/chat/completion") for _ in range(3)]
    assert [switch is not None for switch in struck] == [True, True, False]


def test_a_fault_strikes_only_the_call_it_is_meant_for() -> None:
    account = DemoSite().account("alice")
    account.fault("http_500", times=None, call="/chat_session/create")
    assert account.board.take("reply", "/api/v0/chat/completion") is None
    assert account.board.take("reply", "/api/v0/chat_session/create") is not None
    account.clear_fault()
    assert account.board.take("reply", "/api/v0/chat_session/create") is None


@pytest.mark.parametrize("name", ["code_40003", *stress("code_40001", "code_40002")])
async def test_a_page_that_is_told_it_is_signed_out_shows_the_form(
    page: Page, site: DemoSite, account: Account, name: str
) -> None:
    account.fault(name)
    assert await _outcome(page, account) == f"refused:{name.removeprefix('code_')}"
    await expect(page).to_have_url(f"{site.url}/sign_in")
    await expect(page.locator("input[type=password]")).to_be_visible()


REFUSALS = {
    "code_40005": ("refused:40005", "A new version is available. Please refresh the page."),
    "code_40300": ("refused:40300", BUSY),
    "code_40301": ("refused:40301", BUSY),
    "biz_1": ("refused:biz-1", "This chat is no longer available."),
    "biz_2": ("refused:biz-2", BUSY),
    "biz_7": ("refused:biz-7", "Messages too frequent. Try again later."),
    "biz_9": ("refused:biz-9", "A message is being generated."),
    "biz_10": ("refused:biz-10", BUSY),
    "biz_11": ("refused:biz-11", BUSY),
    "biz_22": ("refused:biz-22", BUSY),
    "biz_26": ("refused:biz-26", BUSY),
    "http_403": ("refused:http-403", BUSY),
    "http_429": ("refused:http-429", "Messages too frequent. Try again later."),
    "http_500": ("refused:http-500", BUSY),
    "http_502": ("refused:http-502", BUSY),
    "waf_reply": ("refused:waf", BUSY),
    "html_body": ("refused:html", BUSY),
    "empty_body": ("refused:empty", BUSY),
    "rate_limit_reached": ("hint:rate_limit_reached", "Messages too frequent. Try again later."),
    "context_length_exceeded": ("hint:context_length_exceeded", "Length limit reached. Please start a new chat."),
    "input_exceeds_limit": ("hint:input_exceeds_limit", "Content is too long. Please shorten it and try again."),
    "server_busy": ("hint:server_busy", BUSY),
    "toast_only": ("toast", BUSY),
    "generating_hint": ("hint:", "Another message is being generated."),
    "unknown_hint": ("hint:weather_too_fine", "The weather is too fine."),
    "generation_err": ("hint:generation_err", "Server is temporarily unavailable."),
    "abort": ("aborted", "The connection was interrupted."),
    "broken_frame": ("disconnected", "The connection was interrupted."),
}


async def test_a_refusal_is_shown_and_the_next_prompt_is_answered(page: Page, account: Account) -> None:
    for name, (outcome, notice) in REFUSALS.items():
        # so that the page gives up before the end, and has the answer's number where it is cut
        slow = name in ("broken_frame", "abort")
        account.script(Script(text=TEXT * (100 if slow else 1), fault=name, rate=5 if slow else 0))
        assert await _outcome(page, account) == outcome, name
        await expect(page.locator(".ds-message ~ div, [role=alert]").filter(has_text=notice).first).to_be_visible()
        await expect(page.locator(SEND).locator("path")).to_have_attribute("d", re.compile("^M8.3125"))
    assert await _outcome(page, account) == "finished"


async def test_a_connection_cut_before_the_answer_is_tried_again_by_the_browser_or_shown(
    page: Page, account: Account
) -> None:
    account.fault("reset", times=None)
    assert await _outcome(page, account) == "refused:reset"
    await expect(page.get_by_role("alert").first).to_be_visible()


@pytest.mark.parametrize(("name", "code"), [("muted_reply", 5), *stress(("muted_reply_14", 14))])
async def test_a_muted_account_sees_a_banner_in_place_of_the_composer(
    page: Page, account: Account, name: str, code: int
) -> None:
    account.fault(name)
    assert await _outcome(page, account) == f"refused:biz-{code}"
    await expect(page.locator(".ds-alert--warning .ds-alert__content")).to_contain_text("has been muted until")
    await expect(page.locator(COMPOSER)).to_have_count(0)


async def test_a_mute_lasts_over_a_reload(page: Page, account: Account) -> None:
    await page.locator(COMPOSER).wait_for()
    account.fault("muted")
    assert await _outcome(page, account) == "refused:biz-5"
    await page.reload()
    await expect(page.locator(".ds-alert--warning")).to_be_visible()


async def test_a_revoked_session_is_noticed_at_the_next_call(page: Page, site: DemoSite, account: Account) -> None:
    await page.locator(COMPOSER).wait_for()
    account.fault("session_revoked")
    await page.locator(COMPOSER).fill("hi")
    await page.locator(COMPOSER).press("Enter")
    await expect(page).to_have_url(f"{site.url}/sign_in")


async def test_a_cleared_storage_signs_the_page_out_at_the_next_call(
    page: Page, site: DemoSite, account: Account
) -> None:
    await account.wait_for(lambda a: a.pages)
    account.fault("storage_cleared")
    await page.wait_for_function("localStorage.userToken === undefined")
    await page.locator(COMPOSER).fill("hi")
    await page.locator(COMPOSER).press("Enter")
    await expect(page).to_have_url(f"{site.url}/sign_in")


async def test_an_account_that_demands_its_cookie_refuses_a_page_without_it(page: Page, account: Account) -> None:
    account.fault("cookie_demanded")
    assert await _outcome(page, account) == "finished"
    await page.context.clear_cookies()
    assert await _outcome(page, account) == "refused:40003"
    assert account.turns[-1].cookies == ()


async def test_a_lost_conversation_is_refused(page: Page, account: Account) -> None:
    await _outcome(page, account)
    account.fault("conversations_lost")
    assert await _outcome(page, account) == "refused:biz-1"


UNUSUAL = (
    "no_title",
    "no_close",
    "event_order",
    "unknown_events",
    "unknown_fragments",
    "unknown_paths",
    "snapshot_again",
    "slow_first_byte",
    "no_status",
)


@pytest.mark.parametrize("thinking", [True, *stress(False)])
async def test_an_unusual_stream_is_shown_like_any_other(page: Page, account: Account, thinking: bool) -> None:
    if thinking:
        await page.get_by_text("DeepThink", exact=True).click()
    for number, name in enumerate(UNUSUAL):
        await page.get_by_text("New chat", exact=True).click()
        params = {"seconds": 0.05} if name == "slow_first_byte" else {}
        account.script(Script(text=f"{TEXT} {number}", thinking="Let me think.", fault=name, params=params))
        assert await _outcome(page, account) == "finished", name
        await expect(page.locator(ANSWER)).to_have_text(f"{TEXT} {number}")
    assert {turn.thinking_enabled for turn in account.turns} == {thinking}


async def test_an_answer_whose_connection_is_lost_is_taken_from_the_history(page: Page, account: Account) -> None:
    # slow: of what comes together with the cut, Chromium shows a page nothing
    account.script(Script(text=TEXT, rate=4, fault="lost_connection", params={"after": 2}))
    assert await _outcome(page, account) == "finished"
    await expect(page.locator(ANSWER)).to_have_text(TEXT)


async def test_an_unattended_answer_goes_on_without_its_reader(page: Page, account: Account) -> None:
    account.script(Script(tokens=5000, rate=50, fault="unattended"))
    await ask(page, "hi")
    await expect(page.locator(ANSWER)).to_contain_text("word1")
    await page.close()
    written = len(account.turns[0].sent_text)
    await account.wait_for(lambda a: not a.pages)
    assert account.generating
    assert len(account.turns[0].sent_text) >= written


async def test_a_slow_proof_of_work_keeps_the_prompt_back(page: Page, account: Account) -> None:
    await account.wait_for(lambda a: a.pages)
    account.fault("slow_proof", seconds=1)
    started = time.time()
    assert await _outcome(page, account) == "finished"
    assert account.turns[0].accepted_at - started >= 1


async def test_a_stream_may_linger_after_its_end(page: Page, account: Account) -> None:
    account.fault("linger", seconds=30)
    await ask(page, "hi")
    await expect(page.locator(ANSWER)).to_contain_text("example.com")
    assert account.generating


async def test_a_turn_may_finish_without_an_answer(page: Page, account: Account) -> None:
    account.fault("thinking_only", times=2)
    assert await _outcome(page, account) == "finished"
    await page.get_by_role("button", name="DeepThink").click()
    assert await _outcome(page, account) == "finished"
    assert [(turn.sent_text, bool(turn.sent_thinking)) for turn in account.turns] == [("", False), ("", True)]
    await expect(page.locator(".ds-think-content")).to_have_count(1)
    await expect(page.locator(ANSWER)).to_have_count(0)


async def test_a_filtered_answer_is_replaced(page: Page, account: Account) -> None:
    account.script(Script(text=TEXT, fault="content_filter"))
    assert await _outcome(page, account) == "filtered"
    await expect(page.locator(ANSWER)).to_have_text(re.compile("beyond my current scope"))
    assert account.turns[0].sent_text == TEXT


async def test_an_incomplete_answer_is_continued_by_a_click(page: Page, account: Account) -> None:
    account.script(Script(text=TEXT, fault="incomplete"))
    assert await _outcome(page, account) == "incomplete"
    await page.get_by_role("button", name="Continue").click()
    await expect(page.locator(ANSWER)).to_have_text(TEXT)
    await account.wait_for(ended(2))
    assert [(t.kind, t.outcome) for t in account.turns] == [("completion", "incomplete"), ("continue", "finished")]


async def test_an_incomplete_answer_may_be_continued_by_the_page(page: Page, account: Account) -> None:
    account.script(Script(text=TEXT, fault="auto_continue"))
    await ask(page, "hi")
    await expect(page.locator(ANSWER)).to_have_text(TEXT)
    assert [t.kind for t in account.turns] == ["completion", "continue"]


async def test_a_stalled_answer_is_resumed_on_a_second_stream(browser: Browser) -> None:
    impatient = DemoSettings(settle=(0, 0), pow_difficulty=100, rate=0, heartbeat_timeout=0.2, auto_resume=0.1)
    async with DemoSite(impatient) as site, signed_in_page(browser, site, site.account("alice")) as page:
        account = site.account("alice")
        account.script(Script(text=TEXT, fault="stall"))
        assert await _outcome(page, account) == "finished"
        await expect(page.locator(ANSWER)).to_have_text(TEXT)
        assert [t.streams for t in account.turns] == [["completion", "resume_stream"]]


async def test_heartbeats_keep_a_silent_answer_alive(browser: Browser) -> None:
    patient = DemoSettings(
        settle=(0, 0), pow_difficulty=100, rate=0, heartbeat=0.05, heartbeat_timeout=0.8, auto_resume=0
    )
    async with DemoSite(patient) as site, signed_in_page(browser, site, site.account("alice")) as page:
        account = site.account("alice")
        account.script(Script(text=TEXT, fault="silence", params={"seconds": 1.2}))
        assert await _outcome(page, account) == "finished"
        assert [t.streams for t in account.turns] == [["completion"]]


async def test_a_stop_may_be_acknowledged_and_not_obeyed(page: Page, account: Account) -> None:
    account.fault("stop_unheard")
    account.script(Script(tokens=5000, rate=50))
    await ask(page, "hi")
    await expect(page.locator(ANSWER)).to_contain_text("word1")
    async with page.expect_response(lambda r: "stop_stream" in r.url) as answered:
        await page.locator(SEND).click()
    assert (await (await answered.value).json())["code"] == 0
    words = len(account.turns[0].sent_text.split())
    await expect(page.locator(ANSWER)).to_contain_text(f"word{words + 2}")
    assert account.generating


async def test_the_page_itself_may_fail_to_load(page: Page, account: Account) -> None:
    for name, status in {"load_429": 429, "load_500": 500}.items():
        account.fault(name)
        response = await page.reload()
        assert response is not None
        assert response.status == status
    await page.reload()
    await page.locator(COMPOSER).wait_for()


async def test_the_firewalls_challenge_solves_itself(page: Page, site: DemoSite) -> None:
    site.fault("load_waf")
    response = await page.reload()
    assert response is not None
    assert (response.status, response.headers["x-amzn-waf-action"]) == (202, "challenge")
    await page.locator(COMPOSER).wait_for()


async def test_a_human_check_waits_for_a_real_click(page: Page, account: Account) -> None:
    account.fault("load_human_check", times=None)
    await page.reload()
    await page.get_by_role("button").dispatch_event("click")
    await expect(page.get_by_text("Confirm you are human")).to_be_visible()
    await page.get_by_role("button").click()
    await page.locator(COMPOSER).wait_for()


async def test_the_page_may_send_completions_elsewhere(page: Page, account: Account) -> None:
    account.fault("moved_completion")
    await account.wait_for(lambda a: a.pages)
    await account.pages_informed()
    async with page.expect_request("**/api/v1/chat/completion"):
        assert await _outcome(page, account) == "finished"


async def _load_with(page: Page, account: Account, name: str) -> None:
    await page.locator("textarea").first.wait_for()  # else the fault may strike the page that is still being loaded
    account.fault(name)
    await page.reload()
    await page.locator("textarea").first.wait_for()


async def test_controls_may_have_new_names(page: Page, account: Account) -> None:
    await _load_with(page, account, "renamed_controls")
    await expect(page.locator("textarea")).to_have_attribute("placeholder", "Ask me anything")
    assert await page.locator("[class*=ds-]").count() == await page.locator(".ds-notification-container").count()
    await expect(page.get_by_role("button", name="DeepThink")).to_have_count(0)


CONTROLS = {
    "composer": "textarea",
    "send": ".ds-button--circle.ds-button--primary",
    "thinking": "text=DeepThink",
    "search": ".ds-toggle-button >> text=Search",
    "new_chat": "text=New chat",
}


async def test_a_control_may_be_something_else(page: Page, account: Account) -> None:
    for changed in CONTROLS:
        account.clear_fault()
        # without a count: the page before may tell only now that the fault has struck
        account.fault("unknown_control", None, control=changed)
        await page.reload()
        await page.get_by_text("Florp", exact=True).wait_for()
        for control, known_by in CONTROLS.items():
            await expect(page.locator(known_by), f"{control} where {changed} is").to_have_count(int(control != changed))


async def test_there_may_be_no_choice_of_a_model(page: Page, account: Account) -> None:
    await _load_with(page, account, "no_models")
    await expect(page.get_by_role("radiogroup")).to_have_count(0)


async def test_an_edit_box_may_stand_before_the_composer(page: Page, account: Account) -> None:
    await _load_with(page, account, "edit_box")
    boxes = page.locator("textarea")
    assert await boxes.evaluate_all("all => all.map(t => t.closest('.ds-textarea') !== null)") == [True, False]


async def test_a_dialog_may_cover_the_page(page: Page, account: Account) -> None:
    await _load_with(page, account, "announcement")
    await page.get_by_role("dialog").get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def _informed(account: Account, name: str, **params: Any) -> None:
    await account.wait_for(lambda a: a.pages)
    account.fault(name, **params)
    await account.pages_informed()


async def test_enter_may_be_ignored_once(page: Page, account: Account) -> None:
    await _informed(account, "enter_ignored")
    await ask(page, "hi")
    await account.wait_for(lambda a: not list(a.board))
    assert account.turns == []
    assert await _outcome(page, account) == "finished"


async def test_the_send_button_may_do_nothing(page: Page, account: Account) -> None:
    await _informed(account, "click_ignored")
    await page.locator(COMPOSER).fill("hi")
    await page.locator(SEND).click()
    await account.wait_for(lambda a: not list(a.board))
    assert account.turns == []
    assert await page.locator(COMPOSER).input_value() == "hi"


async def test_new_chat_may_only_pretend(page: Page, site: DemoSite, account: Account) -> None:
    await _outcome(page, account)
    await _informed(account, "new_chat_pretends")
    await page.get_by_text("New chat", exact=True).evaluate("node => node.click()")
    await expect(page).to_have_url(f"{site.url}/")
    await expect(page.locator(ANSWER)).to_have_count(1)
    await _outcome(page, account)
    assert account.turns[1].conversation == account.turns[0].conversation


async def test_a_toggle_may_fall_back(page: Page, account: Account) -> None:
    await _informed(account, "toggles_reset", seconds=1)
    think = page.get_by_role("button", name="DeepThink")
    await think.click()
    await expect(think).to_have_attribute("aria-pressed", "true")
    await expect(think).to_have_attribute("aria-pressed", "false")


async def test_toggles_may_forget_on_a_new_chat(page: Page, account: Account) -> None:
    await page.get_by_role("button", name="DeepThink").click()
    await _informed(account, "toggles_forget")
    await page.get_by_text("New chat", exact=True).click()
    await account.wait_for(lambda a: not list(a.board))
    await _outcome(page, account)
    assert not account.turns[0].thinking_enabled


async def test_the_stop_icon_may_be_missing_while_the_model_thinks(page: Page, account: Account) -> None:
    await _informed(account, "stop_icon_unreliable")
    account.script(Script(thinking="hm " * 4000, text=TEXT, rate=50))
    await page.get_by_role("button", name="DeepThink").click()
    await ask(page, "think")
    await expect(page.locator(".ds-think-content")).to_contain_text("hm hm")
    await expect(page.locator(SEND).locator("path")).to_have_attribute("d", re.compile("^M8.3125"))
    assert account.generating


async def test_the_stop_button_may_do_nothing(page: Page, account: Account) -> None:
    await _informed(account, "stop_ignored")
    account.script(Script(tokens=1000, rate=50))
    await ask(page, "talk")
    await expect(page.locator(ANSWER)).to_contain_text("word1")
    await page.locator(SEND).click()
    await account.wait_for(lambda a: not list(a.board))
    assert account.generating
    await page.locator(SEND).click()
    await account.wait_for(ended(1))
    assert account.turns[0].outcome == "stopped"


FILE = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"some notes")


async def test_a_file_goes_with_the_prompt(page: Page, account: Account) -> None:
    await page.locator("input[type=file]").set_input_files(FILE)
    await expect(page.get_by_text("notes.txt")).to_be_visible()
    await page.locator(COMPOSER).fill("read it")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "false")
    assert await _outcome(page, account, "read it") == "finished"
    assert account.turns[0].files == ("notes.txt",)


async def test_a_slow_file_keeps_the_button_disabled(page: Page, account: Account) -> None:
    account.fault("upload_slow", seconds=30)
    await page.locator("input[type=file]").set_input_files(FILE)
    await page.locator(COMPOSER).fill("read it")
    await page.locator(COMPOSER).press("Enter")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "true")
    assert account.turns == []


async def test_a_file_may_be_refused_or_its_upload_cut_again_and_again(page: Page, account: Account) -> None:
    for name in ("upload_fails", "upload_muted", "upload_limited", "upload_refused", "upload_500", "upload_cut"):
        account.fault(name, None if name == "upload_cut" else 1)
        before = dict(account.files)
        await page.locator("input[type=file]").set_input_files(FILE)
        alert = page.get_by_role("alert")
        await expect(alert, name).to_have_text("Upload failed.")
        await expect(page.get_by_text("notes.txt"), name).to_have_count(0)
        if name == "upload_cut":
            assert account.files == before
        await alert.evaluate("alert => alert.remove()")  # so that the next one is another


async def test_several_files_each_need_a_proof_of_their_own_and_get_it(page: Page, account: Account) -> None:
    others = [FilePayload(name=f"{n}.txt", mimeType="text/plain", buffer=b"x" * n) for n in range(1, 6)]
    await page.locator("input[type=file]").set_input_files(others)
    await page.locator(COMPOSER).fill("read them")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "false")
    assert await _outcome(page, account, "read them") == "finished"
    assert sorted(account.turns[0].files) == [f"{n}.txt" for n in range(1, 6)]


async def test_a_file_left_over_goes_with_the_next_prompt(page: Page, account: Account) -> None:
    await _load_with(page, account, "file_left_over")
    await expect(page.get_by_text("left-over.txt")).to_be_visible()
    await page.locator(COMPOSER).fill("read it")
    await expect(page.locator(SEND)).to_have_attribute("aria-disabled", "false")
    assert await _outcome(page, account, "read it") == "finished"
    assert account.turns[0].files == ("left-over.txt",)


async def test_the_page_takes_no_file_beyond_its_limits_and_a_prompt_too_long_is_refused_within_the_stream(
    browser: Browser,
) -> None:
    sizes = DemoSettings(max_file_size=5, max_files=2, prompt_limit=50, input_character_limit=100)
    small = replace(sizes, settle=(0, 0), pow_difficulty=100, rate=0)
    async with DemoSite(small) as site, signed_in_page(browser, site, site.account("alice")) as page:
        account = site.account("alice")
        field, alert = page.locator("input[type=file]"), page.get_by_role("alert")
        await field.set_input_files(FILE)
        await expect(alert).to_have_text("The file is too large.")
        await field.set_input_files([FilePayload(name=name, mimeType="text/plain", buffer=b"x") for name in "abc"])
        await expect(alert.last).to_have_text("You can attach at most 2 files.")
        assert await _outcome(page, account, "without") == "finished"
        assert account.turns[0].files == ()
        assert await _outcome(page, account, "x" * 60) == "hint:input_exceeds_limit"
        await page.locator(COMPOSER).fill("x" * 150)
        await page.locator(COMPOSER).press("Enter")
        await expect(page.get_by_text("exceeds the limit by about 50%")).to_be_visible()
        assert len(account.turns) == 2


def test_the_quick_settings_keep_the_defences_up() -> None:
    assert QUICK.pow_difficulty > 0
