"""A call that fails because the page has moved on to another document is told from one of a browser that fails."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Route

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import has_moved_on
from tests.support.stress import stress

RESTLESS = """<body><textarea></textarea><div id="shadow"></div><button>Send</button>
<script>setTimeout(() => location.reload(), %d)</script></body>"""


async def look(page: Page) -> None:
    """Do what drivers do with a page: find elements, read, focus and click them."""
    box = await page.query_selector("textarea >> visible=true")
    buttons = await page.query_selector_all("button")
    if box is not None:
        await box.evaluate("(box, text) => { box.value = text; box.focus(); return location.href; }", "words")
        await box.get_attribute("class")
    for button in buttons:
        await button.evaluate("button => button.innerText")
        await button.dispose()
    handle = await page.evaluate_handle("() => ({body: document.body})")
    await page.evaluate("held => held.body && held.body.innerHTML", handle)
    await page.locator("button").count()


@pytest.mark.parametrize("most", [30, *stress(400)])
async def test_each_failure_on_a_page_that_loads_anew_without_end_says_that_it_moved_on(
    chromium: Chromium, most: int
) -> None:
    loads, errors = 0, list[PlaywrightError]()
    async with chromium.context({}) as context:
        page = await context.new_page()

        async def fulfill(route: Route) -> None:
            nonlocal loads
            loads += 1
            await route.fulfill(body=RESTLESS % (loads * 7 % 41), content_type="text/html")

        await page.route("**/*", fulfill)
        await page.goto("http://restless.test/", wait_until="commit")
        async with asyncio.timeout(200):
            while len(errors) < most:
                try:
                    await look(page)
                except PlaywrightError as error:
                    errors.append(error)
    assert [str(error) for error in errors if not has_moved_on(error)] == []
