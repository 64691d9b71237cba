"""A page that is worked while it loads itself anew: no call of it is waited for without end."""

from __future__ import annotations

import asyncio

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Route

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import has_moved_on
from bridge.sites.guarded_page import GuardedPage

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


def assert_moved(error: PlaywrightError) -> None:
    assert has_moved_on(error), error
