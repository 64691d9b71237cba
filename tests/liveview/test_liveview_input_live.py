"""What a person does in a live view beyond mouse and plain keys: a phone's keyboard, native windows, nothing at all."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Locator, Page, expect

from bridge.browser.browser import Chromium
from bridge.settings import BrowserSettings
from bridge.storage.browser_folders import new_folder
from bridge.storage.profiles import Profile
from bridge.telemetry import Telemetry
from tests.support.live import live, settings_for
from tests.support.waiting import LIMIT
from tests.support.watching import PHONE, WIDE, Person, account_page, person

IDLE = 3.0
FORM = "<form action=/sent><input name=email autocomplete=email><button>Go</button></form>"
FIELDS = """
<textarea id=text style="font-size: 40px"></textarea><textarea id=other></textarea>
<p><input id=place list=places aria-label=Place placeholder="Where to" style="font-size: 40px">
<datalist id=places><option value=Ankh><option value=Borogravia label="Far away"></datalist>
<p><select id=pick><option>one<option>two</select><input id=day type=date>
<p><button id=open-list onclick="pick.showPicker()">List</button>
<button id=open-day onclick="day.showPicker()">Day</button>
<button id=ask onclick="this.textContent = prompt('Who?', '')">Ask</button>
"""


@pytest.fixture(scope="session")
def chromium(full_chromium: Chromium) -> Chromium:
    """The browser that is handled where nothing is set."""
    return full_chromium


@asynccontextmanager
async def at_fields(
    folder: Path, chromium: Chromium, *, touches: bool = False
) -> AsyncGenerator[tuple[Person, Page, Locator]]:
    """Give a person the controls of a page with fields; return the dialog of the view, too."""
    device = PHONE if touches else WIDE
    async with live(folder, chromium=chromium) as run, person(run, chromium, device) as someone:
        await someone.look(account="alice")
        await someone.take()
        page = account_page(run)
        await page.evaluate("html => document.body.innerHTML = html", FIELDS)
        yield someone, page, someone.page.get_by_role("dialog")


async def soft_key(someone: Person, text: str) -> None:
    """Press a key of a phone's own keyboard: the page hears of a key without a name, then of a text."""
    line = await someone.page.context.new_cdp_session(someone.page)
    key = {"key": "Unidentified", "code": "", "windowsVirtualKeyCode": 229}
    await line.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    if text:
        await line.send("Input.insertText", {"text": text})
    else:
        await someone.page.evaluate("document.execCommand('delete')")
    await line.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await line.detach()


async def correct(someone: Person, wrong: str, right: str) -> None:
    """Replace a word that stands in the view's own field, as autocorrection does it."""
    script = """([wrong, right]) => {
      const field = document.activeElement, start = field.value.lastIndexOf(wrong);
      field.setSelectionRange(start, start + wrong.length);
      document.execCommand("insertText", false, right);
      field.setSelectionRange(field.value.length, field.value.length);
    }"""
    await someone.page.evaluate(script, [wrong, right])


async def test_a_phones_keyboard_types_corrects_deletes_and_breaks_lines(tmp_path: Path, chromium: Chromium) -> None:
    async with at_fields(tmp_path, chromium, touches=True) as (someone, page, _):
        text = page.locator("#text")
        await someone.click(text)
        await someone.page.get_by_role("button", name="Keyboard").tap()
        for letter in "Teh ":
            await soft_key(someone, letter)
        await someone.seen(text, "Teh ")
        await correct(someone, "Teh", "The")
        await someone.seen(text, "The ")
        for letter in ("k", "é", "👩🏽", "😀"):
            await soft_key(someone, letter)
        await someone.seen(text, "The ké👩🏽😀")
        await correct(someone, "😀", "😁")  # two that have half of their bytes in common
        await someone.seen(text, "The ké👩🏽😁")
        for _ in range(3):
            await soft_key(someone, "")
        await someone.seen(text, "The k")
        await someone.page.evaluate("document.execCommand('insertLineBreak')")
        await soft_key(someone, "!")
        await someone.seen(text, "The k\n!")
        for _ in "!\nk ":  # further back than the view's own field remembers
            await soft_key(someone, "")
        await someone.seen(text, "The")
        await someone.click(page.locator("#other"))
        await soft_key(someone, "x")
        await soft_key(someone, "")
        await soft_key(someone, "y")
        await someone.seen(page.locator("#other"), "y")
        assert await text.input_value() == "The"


async def test_a_word_that_a_phones_keyboard_takes_up_again_is_replaced(tmp_path: Path, chromium: Chromium) -> None:
    async with at_fields(tmp_path, chromium, touches=True) as (someone, page, _):
        text = page.locator("#text")
        await someone.click(text)
        await someone.page.get_by_role("button", name="Keyboard").tap()
        line = await someone.page.context.new_cdp_session(someone.page)

        async def compose(word: str, **replaced: int) -> None:
            caret = {"selectionStart": len(word), "selectionEnd": len(word)}
            await line.send("Input.imeSetComposition", {"text": word, **caret, **replaced})

        for word in ("h", "ho", "hou"):
            await compose(word)
        await someone.seen(text, "hou")
        await line.send("Input.insertText", {"text": "hours"})
        await someone.seen(text, "hours")
        kept = len(await someone.page.locator("#keys").input_value())
        await compose("house", replacementStart=kept - len("hours"), replacementEnd=kept)
        await someone.seen(text, "house")
        await line.send("Input.insertText", {"text": "houses"})
        await soft_key(someone, " ")
        await someone.seen(text, "houses ")
        await compose("n")
        await compose("")
        await someone.seen(text, "houses ")


async def test_a_text_with_suggestions_is_written_or_chosen_beside_the_page(tmp_path: Path, chromium: Chromium) -> None:
    async with at_fields(tmp_path, chromium) as (someone, page, dialog):
        place, choice = page.locator("#place"), dialog.locator("#choice")
        await someone.click(place)
        await dialog.get_by_text("Place").wait_for()
        offered = await dialog.locator("datalist option").evaluate_all("all => all.map(one => [one.value, one.label])")
        assert offered == [["Ankh", ""], ["Borogravia", "Far away"]]
        await choice.fill("Borogravia")
        await choice.press("Enter")
        await someone.seen(place, "Borogravia")
        await expect(page.locator("#place:focus")).to_be_visible()
        await someone.page.keyboard.type(" 2")  # on the page itself
        await someone.seen(place, "Borogravia 2")
        await someone.page.keyboard.press("ArrowDown")
        await expect(choice).to_have_value("Borogravia 2")
        await dialog.get_by_role("button", name="Cancel").click()
        await someone.page.keyboard.press("Backspace")
        await someone.seen(place, "Borogravia ")


async def test_the_window_of_a_control_that_the_page_opens_itself_is_shown(tmp_path: Path, chromium: Chromium) -> None:
    async with at_fields(tmp_path, chromium) as (someone, page, dialog):
        await someone.click(page.locator("#open-list"))
        await dialog.locator("#choice").select_option(label="two")
        await dialog.get_by_role("button", name="Choose").click()
        await someone.seen(page.locator("#pick"), "two")
        await expect(page.locator("select:open")).to_have_count(0)
        await page.locator("#open-day").focus()
        await someone.page.keyboard.press("Enter")
        await dialog.locator("#choice").fill("1999-12-31")
        await dialog.locator("#choice").press("Enter")
        await someone.seen(page.locator("#day"), "1999-12-31")
        await expect(page.locator("input:open")).to_have_count(0)


async def test_enter_answers_a_dialog_of_the_page(tmp_path: Path, chromium: Chromium) -> None:
    async with at_fields(tmp_path, chromium) as (someone, page, dialog):
        await someone.click(page.locator("#ask"))
        await dialog.get_by_label("Answer").fill("Me")
        await dialog.get_by_label("Answer").press("Enter")
        await page.get_by_role("button", name="Me", exact=True).wait_for()


async def test_who_does_nothing_loses_the_controls_and_the_account_goes_on(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium) as run, person(run, chromium) as someone:
        assert run.bridge.views is not None
        run.bridge.views.idle = IDLE
        await someone.look(account="alice")
        await someone.take()
        await someone.page.mouse.move(300, 300)
        moved = time.monotonic()
        await someone.page.mouse.move(400, 400)
        await someone.page.get_by_text("so the controls were given back").wait_for()
        assert time.monotonic() > moved + IDLE
        await someone.page.get_by_role("button", name="Take the controls").wait_for(timeout=LIMIT * 1000)
        assert await run.ask("Hello")


@pytest.mark.browser
async def test_a_browser_with_a_folder_keeps_nothing_of_what_is_typed_to_offer_it(tmp_path: Path) -> None:
    settings, app = settings_for(tmp_path, browser=BrowserSettings()), web.Application()
    app.router.add_get("/{path:.*}", form)
    profile = Profile(
        name="alice", site="deepseek", url="http://127.0.0.1", storage_state={"cookies": [], "origins": []}
    )
    async with TestServer(app) as site, new_folder(settings.browser_folders, profile) as kept:
        async with Chromium(settings, Telemetry()).with_folder(kept.user_data_dir).context({}) as context:
            page = context.pages[0]
            for number in range(2):
                await page.goto(str(site.make_url("/")))
                await page.locator("input").press_sequentially("ann@example.com")
                await page.keyboard.press("Enter")
                await page.wait_for_url("**/sent*")
                assert "ann" in page.url, number
        (stored,) = settings.browser_folders.glob("*/Default/Web Data")
        assert b"ann@example.com" not in stored.read_bytes()


async def form(_: web.Request) -> web.Response:
    """Return a page with a form."""
    return web.Response(text=FORM, content_type="text/html")
