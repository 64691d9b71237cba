"""A page that is worked while it loads itself anew: no call of it is waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import ElementHandle, Route
from playwright.async_api import Error as PlaywrightError

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import has_moved_on
from bridge.sites.guarded_page import GuardedPage
from bridge.sites.site_file.composer_box import ComposerBox
from bridge.sites.site_file.page_elements import PageElements

RESTLESS = """<body><textarea autofocus></textarea>
<script>setTimeout(() => location.reload(), %d)</script></body>"""
LONG = "words " * 500
LEFT_OPEN = 2
"""Insertions that Chromium never answers, until it is seen that they end all the same."""


async def test_text_that_is_inserted_while_the_document_is_replaced_is_not_waited_for_without_end(
    chromium: Chromium,
) -> None:
    async with chromium.context({}) as context:
        page = await context.new_page()
        loads = unanswered = 0

        async def fulfill(route: Route) -> None:
            nonlocal loads
            loads += 1
            await route.fulfill(body=RESTLESS % (loads * 7 % 61), content_type="text/html")

        await page.route("**/*", fulfill)
        await page.goto("http://restless.test/", wait_until="commit")
        guarded = GuardedPage(page, "http://restless.test")
        async with asyncio.timeout(200):
            while unanswered < LEFT_OPEN:
                try:
                    await guarded.insert_text(LONG)
                except PlaywrightError as error:
                    assert_moved(error)
                    unanswered += "was not inserted" in str(error)


REDRAWN = """<body><textarea></textarea><button onclick="document.title += 'clicked '">Send</button></body>"""
REDRAW = "element => element.replaceWith(element.cloneNode(true))"


class Redrawing(PageElements):
    """The elements of a page that draws each anew between the moment when it is found first, and what is done to it."""

    redrawn = False

    async def _query(self, selector: str) -> ElementHandle | None:
        element = await super()._query(selector)
        if element is not None and not self.redrawn:
            self.redrawn = True
            await element.evaluate(REDRAW)
        return element


@asynccontextmanager
async def redrawing(chromium: Chromium) -> AsyncGenerator[Redrawing]:
    """Open a page that draws its controls anew."""
    async with chromium.context({}) as context:
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body=REDRAWN, content_type="text/html"))
        await page.goto("http://redrawn.test/")
        yield Redrawing(page, "http://redrawn.test")


async def test_a_control_that_is_drawn_anew_while_it_is_clicked_is_found_again(chromium: Chromium) -> None:
    async with redrawing(chromium) as elements:
        assert await elements.click(("button",))
        assert elements.redrawn
        assert await elements.page.title() == "clicked"


async def test_a_text_box_that_is_drawn_anew_is_not_filled_in_its_old_place(chromium: Chromium) -> None:
    async with redrawing(chromium) as elements:
        box = await elements.find(("textarea",))
        assert box is not None
        with pytest.raises(PlaywrightError) as failed:
            await ComposerBox(elements, "auto").fill(box, "Hello")
        assert_moved(failed.value)


async def test_a_control_that_is_hidden_while_it_is_clicked_is_none_to_click(chromium: Chromium) -> None:
    async with redrawing(chromium) as elements:
        elements.redrawn = True
        button = await elements.find(("button",))
        assert button is not None
        await button.evaluate("element => { element.style.display = 'none' }")
        assert not await elements.click_element(button)


def assert_moved(error: PlaywrightError) -> None:
    assert has_moved_on(error), error
