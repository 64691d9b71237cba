"""What a person does in a live view beyond mouse and plain keys: a phone's keyboard, native windows, nothing at all."""

from __future__ import annotations

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
from tests.support.live import Live, settings_for
from tests.support.watching import PHONE, WIDE, Person, account_page, person

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
    run: Live, chromium: Chromium, *, touches: bool = False
) -> AsyncGenerator[tuple[Person, Page, Locator]]:
    """Give a person the controls of a page with fields; return the dialog of the view, too."""
    async with person(run, chromium, PHONE if touches else WIDE) as someone:
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


async def test_a_phones_keyboard_types_corrects_deletes_breaks_lines_and_takes_a_word_up_again(
    run: Live, chromium: Chromium
) -> None:
    async with at_fields(run, chromium, touches=True) as (someone, page, _):
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
        await page.evaluate("html => document.body.innerHTML = html", FIELDS)
        await take_words_up_again(someone, text)


async def take_words_up_again(someone: Person, text: Locator) -> None:
    """Compose words, and compose one again that stands there already."""
    await someone.click(text)
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


async def test_what_a_browser_shows_in_windows_of_its_own_is_shown_and_answered_beside_the_page(
    run: Live, chromium: Chromium
) -> None:
    async with at_fields(run, chromium) as (someone, page, dialog):
        await suggestions(someone, page, dialog)
        await opened_by_the_page(someone, page, dialog)
        await someone.click(page.locator("#ask"))
        await dialog.get_by_label("Answer").fill("Me")
        await dialog.get_by_label("Answer").press("Enter")
        await page.get_by_role("button", name="Me", exact=True).wait_for()


async def suggestions(someone: Person, page: Page, dialog: Locator) -> None:
    """Write, or choose, a text that has suggestions."""
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


async def opened_by_the_page(someone: Person, page: Page, dialog: Locator) -> None:
    """Choose from a list and a calendar that the page's own script opens."""
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


@pytest.mark.browser
async def test_a_browser_with_a_folder_keeps_nothing_of_what_is_typed_to_offer_it(tmp_path: Path) -> None:
    settings, app = settings_for(tmp_path, browser=BrowserSettings()), web.Application()
    app.router.add_get("/{path:.*}", form)
    profile = Profile(
        name="alice", site="deepseek", url="http://127.0.0.1", storage_state={"cookies": [], "origins": []}
    )
    async with TestServer(app) as site, new_folder(settings.folders.browsers, profile) as kept:
        async with Chromium(settings.pages, Telemetry()).with_folder(kept.user_data_dir).context({}) as context:
            page = context.pages[0]
            for number in range(2):
                await page.goto(str(site.make_url("/")))
                await page.locator("input").press_sequentially("ann@example.com")
                await page.keyboard.press("Enter")
                await page.wait_for_url("**/sent*")
                assert "ann" in page.url, number
        (stored,) = settings.folders.browsers.glob("*/Default/Web Data")
        assert b"ann@example.com" not in stored.read_bytes()


async def form(_: web.Request) -> web.Response:
    """Return a page with a form."""
    return web.Response(text=FORM, content_type="text/html")
