"""The controls of DeepSeek's page are those of its composer, whatever else on the page looks like them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

from bridge.browser.browser import Chromium

SCRIPT = files("bridge.sites.deepseek").joinpath("controls.js").read_text("utf-8").rstrip().rstrip(";")
SEND, STOP = "M8.3125 0.98", "M2 4.88C2 3.68"
TURNING = "<div class='ds-loading' style='width: 9px; height: 9px'></div>"
SENT_BY = "script => eval(script).element('send')?.closest('[id]')?.id"
DID = "script => { const page = eval(script); return page.fill('prompt', page.fill('', null, false).last, false).did; }"


def icon(drawing: str) -> str:
    return f"<svg width='16' height='16'><path d='{drawing}'/></svg>"


def composer(below: str = "", beside: str = "") -> str:
    box = f"<div><textarea placeholder='Message DeepSeek'></textarea>{beside}</div>"
    return f"<div style='height: 150px'>{box}{below}</div>"


async def asked(chromium: Chromium, question: str, html: str) -> Any:
    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.set_content(f"<main>{html}</main><div style='height: 900px'></div>")
        return await page.evaluate(question, SCRIPT)


@pytest.mark.parametrize("drawing", [SEND, STOP])
@pytest.mark.parametrize(
    "other", ["<div class='ds-message'>{}</div>", "<div role='dialog'>{}</div>", "<dialog open>{}</dialog>"]
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_an_icon_in_a_message_or_a_dialog_is_no_send_button(
    chromium: Chromium, drawing: str, other: str, is_first: bool
) -> None:
    alike = other.format(f"<div id='other'><span>{icon(drawing)}</span></div>")
    own = f"{'<p>.</p>' * 50}{composer()}<div style='height: 300px'></div><div id='own'>{icon(SEND)}</div>"
    html = alike + own if is_first else own + alike
    assert await asked(chromium, SENT_BY, html) == "own"


async def test_an_icon_beside_the_text_box_itself_is_the_button_and_not_what_holds_both(chromium: Chromium) -> None:
    html = f"<div id='whole'>{composer(beside=icon(SEND))}</div>"
    assert await asked(chromium, "script => eval(script).element('send').localName", html) == "svg"


@pytest.mark.parametrize(
    ("below", "did"),
    [
        (TURNING, "taken"),
        (f"<div class='ds-button'>{TURNING}</div>", "taken"),
        (f"<div role='button'>{icon(STOP)}</div>", "taken"),
        (f"<div role='button' aria-pressed='true'><span>{TURNING}</span></div>", "gone"),
        (f"<div class='ds-toggle-button'>{TURNING}</div>", "gone"),
        ("", "gone"),
    ],
)
async def test_a_page_is_at_work_where_something_turns_below_its_text_box_but_in_a_switch(
    chromium: Chromium, below: str, did: str
) -> None:
    assert await asked(chromium, DID, composer(below)) == did


@pytest.mark.parametrize("other", ["<div class='ds-message'>{}</div>", "<div>{}<textarea></textarea></div>"])
async def test_what_turns_elsewhere_is_no_sign_of_work(chromium: Chromium, other: str) -> None:
    html = other.format(f"<div>{TURNING}</div>") + "<p>.</p>" * 50 + composer()
    assert await asked(chromium, DID, html) == "gone"
