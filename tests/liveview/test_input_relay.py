"""What a person does in a live view reaches the page as long as it is this bridge's."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from playwright.async_api import Page

from bridge.browser.browser import Chromium
from bridge.liveview.input_relay import InputRelay
from bridge.liveview.native_controls import Control, opened_control
from bridge.liveview.viewer_messages import Choose, Mouse, Typed
from tests.support.waiting import until


async def test_what_has_waited_until_the_account_is_another_nodes_is_dropped(chromium: Chromium) -> None:
    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.set_content("<input autofocus>")
        await page.locator("input").focus()
        relay = InputRelay(page, await context.new_cdp_session(page), lambda *_, **__: None)
        asked: list[str] = []

        def answers(text: str, *may_act: bool) -> None:
            """Send a text for which the relay is told one after the other whether it may still act."""
            told = iter(may_act)

            def ask() -> bool:
                asked.append(text)
                return next(told)

            relay.send(Typed(type="text", text=text), ask)

        answers("a", True, True)
        answers("b", False)
        answers("c", True, False)
        answers("d", True, True)
        await until(lambda: asked == [*"aabccdd"])

        async def has_both() -> bool:
            return await page.locator("input").input_value() == "ad"

        await until(has_both)
        await relay.close()


async def test_a_list_that_an_earlier_click_has_opened_is_shown_once_where_another_click_has_come(
    chromium: Chromium,
) -> None:
    shown: list[str] = []
    looks, may_end, has_ended = count(1), asyncio.Event(), asyncio.Event()

    async def look(page: Page) -> Control | None:
        """Look, and have the first look that finds the list end after the next click."""
        found = await opened_control(page)
        if found is not None and next(looks) == 1:
            relay.send(Mouse(type="mouse", kind="up", x=1, y=1, button="left"), lambda: True)
            try:
                await may_end.wait()
            finally:
                has_ended.set()
        return found

    def tell(what: str, **about: Any) -> None:
        if what == "control":
            shown.append(about["id"])

    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.set_content(
            """<button onclick="document.querySelector('select').showPicker()">Open the list</button>
            <select><option>a<option>b</select>"""
        )
        relay = InputRelay(page, await context.new_cdp_session(page), tell, look)
        for kind in ("down", "up"):
            relay.send(Mouse(type="mouse", kind=kind, x=20, y=20, button="left", clicks=1), lambda: True)
        await until(lambda: shown)
        may_end.set()
        await has_ended.wait()
        assert shown == ["1"]
        relay.send(Choose(type="choose", id="1", options=[1]), lambda: True)

        async def is_chosen() -> bool:
            return await page.locator("select").input_value() == "b"

        await until(is_chosen)
        await relay.close()
