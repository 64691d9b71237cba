"""An error of a listener to a page's events reaches neither Playwright nor any other page."""

from __future__ import annotations

import asyncio
from typing import Any

from bridge.browser.browser import Chromium
from bridge.browser.tab_session import listen


async def test_the_browser_is_heard_on_after_a_listener_has_failed(chromium: Chromium) -> None:
    async with chromium.context({}) as context:
        page, heard = await context.new_page(), list[str]()
        session, has_failed = await context.new_cdp_session(page), asyncio.Event()

        def fail(event: dict[str, Any]) -> None:
            heard.append(event["args"][0]["value"])
            if len(heard) == 2:
                has_failed.set()
            raise ValueError

        listen(session, "Runtime.consoleAPICalled", fail)
        await session.send("Runtime.enable")
        await page.evaluate("console.log('one')")
        await page.evaluate("console.log('two')")
        await asyncio.wait_for(has_failed.wait(), 30)
        assert heard == ["one", "two"]
