"""Controls that something lies over: whatever lies there never gets the click that was meant for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest

from bridge.browser.browser import Chromium
from bridge.errors import SiteChanged
from bridge.sites.site_file.page_elements import PageElements
from bridge.sites.site_file.page_model_menu import PageModelMenu
from bridge.sites.site_file.page_schema import Menu
from tests.support.small_site import TURN, bridged, changed, small_site

ORIGIN = "http://covered.test"
STYLE = """<style>
#cover { position: fixed; left: 0; top: 0; width: 200px; height: 60px; z-index: 9 }
button, label, input, a, .host { position: absolute; width: 60px; height: 30px; top: 10px; margin: 0 }
.under { left: 20px } .free { left: 300px }
</style><script>
document.addEventListener("click", event => {
  if (event.composedPath()[0].id !== "twin") document.title += event.composedPath()[0].id + " ";
}, true);
</script>"""
COVER = '<div id="cover" class="news big"></div>'


@asynccontextmanager
async def shown(chromium: Chromium, body: str) -> AsyncGenerator[PageElements]:
    """Open a page whose title names, one after the other, the elements that were clicked."""
    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body=STYLE + body, content_type="text/html"))
        await page.goto(f"{ORIGIN}/")
        yield PageElements(page, ORIGIN)


UNDER = {
    "button": f'<button id="send" class="under">Send</button>{COVER}',
    "in a shadow root": '<div class="host under"><template shadowrootmode="open"><button id="send">Send</button>'
    f"</template></div>{COVER}",
    "under a label of something else": '<button id="send" class="under">Send</button>'
    '<label id="cover"><input id="news" type="checkbox" class="free"></label>',
    "under a link in its own label": '<input id="send" class="under" type="checkbox">'
    '<label for="send" class="under" style="z-index: 3"><a id="terms" href="#terms" style="top: 0">Terms</a></label>',
}


@pytest.mark.parametrize("body", UNDER.values(), ids=UNDER)
async def test_a_control_under_something_else_is_not_clicked_and_the_error_names_both(
    chromium: Chromium, body: str
) -> None:
    async with shown(chromium, body) as page:
        with pytest.raises(
            SiteChanged, match=r"control 'composer\.send_button' is covered by (div|label|a)#\w+.*dialogs"
        ):
            await page.click_required(("#send",), "composer.send_button")
        assert await page.page.title() == ""
        assert await page.page.evaluate("location.hash") == ""


async def test_a_control_that_is_missing_is_not_said_to_lie_under_something(chromium: Chromium) -> None:
    async with shown(chromium, UNDER["button"]) as page:
        assert not await page.click(("#send",))
        await page.page.evaluate("document.getElementById('send').remove()")
        with pytest.raises(SiteChanged, match=r"'composer\.send_button' was not found"):
            await page.click_required(("#send",), "composer.send_button")


LABELLED = {
    "a label around it": '<label id="around" class="under"><input id="twin" type="checkbox" '
    'style="left: 0; top: 0; pointer-events: none"></label>',
    "a label over it": '<input id="twin" class="under" type="checkbox">'
    '<label id="over" class="under" for="twin" style="z-index: 3"><b>On</b></label>',
}


@pytest.mark.parametrize("body", LABELLED.values(), ids=LABELLED)
async def test_a_checkbox_under_its_own_label_is_clicked_through_it(chromium: Chromium, body: str) -> None:
    async with shown(chromium, body) as page:
        assert await page.click(("#twin",))
        assert await page.page.evaluate("document.getElementById('twin').checked")


@pytest.mark.parametrize("selectors", [(".send",), ("#send", "#other")])
async def test_the_next_element_that_lies_clear_is_clicked_and_noted(
    chromium: Chromium, selectors: tuple[str, ...]
) -> None:
    twins = '<button id="send" class="send under">Send</button><button id="other" class="send free">Send</button>'
    body = twins + COVER
    async with shown(chromium, body) as page:
        assert await page.click(selectors, field="composer.send_button")
        assert await page.page.title() == "other"
        assert page.found == {"composer.send_button": selectors[-1]}


async def test_what_goes_away_by_itself_is_waited_for(chromium: Chromium) -> None:
    async with shown(chromium, UNDER["button"]) as page:
        await page.page.evaluate("setTimeout(() => document.getElementById('cover').remove(), 200)")
        await page.click_required(("#send",), "composer.send_button")
        assert await page.page.title() == "send"


async def test_a_drawing_within_a_button_is_clicked_though_it_lets_clicks_through(chromium: Chromium) -> None:
    icon = '<button id="send" class="free"><svg width="20" height="20" style="pointer-events: none"></svg></button>'
    async with shown(chromium, icon) as page:
        assert await page.click(("svg",))
        assert await page.page.title() == "send"


async def test_a_model_under_something_else_is_not_chosen_and_the_error_says_so(chromium: Chromium) -> None:
    body = f'<button id="menu" class="free">Models</button><button class="under entry">Big</button>{COVER}'
    async with shown(chromium, body) as page:
        with pytest.raises(SiteChanged, match="has the model 'Big', but something covers it"):
            await PageModelMenu(page, Menu(open=("#menu",), entry=(".entry",))).choose("Big")
        assert await page.page.title() == ""


async def test_a_prompt_whose_send_button_lies_under_an_unknown_dialog_is_not_sent_and_the_dialog_is_named(
    tmp_path: Path, chromium: Chromium
) -> None:
    file = changed(("[composer]", '[composer]\nsend = "button"\nsend_button = ["#send"]'))
    impatient = TURN.model_copy(update={"submit": 3})
    async with (
        small_site(send="button", dialog_at_load=True) as site,
        bridged(tmp_path, site, chromium, file, turn=impatient) as run,
    ):
        with pytest.raises(
            openai.APIStatusError, match=r"'composer\.send_button' is covered by (div|button)"
        ) as caught:
            await run.ask("Hi")
        assert caught.value.status_code == 502
        assert not site.bodies
