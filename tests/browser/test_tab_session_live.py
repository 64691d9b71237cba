"""An error of a handler of a page's events reaches neither Playwright nor the other handlers."""

from __future__ import annotations

import asyncio
from typing import Any

from bridge.browser.browser import Chromium
from bridge.browser.tab_session import TabSession


async def test_events_go_on_after_a_handler_has_failed(chromium: Chromium) -> None:
    async with chromium.context({}) as context:
        page, heard, second = await context.new_page(), list[str](), list[str]()
        tab, has_both = TabSession(await context.new_cdp_session(page), 30), asyncio.Event()

        def fail(event: dict[str, Any]) -> None:
            heard.append(event["args"][0]["value"])
            raise ValueError

        def note(event: dict[str, Any]) -> None:
            second.append(event["args"][0]["value"])
            if len(second) == 2:
                has_both.set()

        tab.on("Runtime.consoleAPICalled", fail)
        tab.on("Runtime.consoleAPICalled", note)
        await tab.send("Runtime.enable")
        await page.evaluate("console.log('one')")
        await page.evaluate("console.log('two')")
        await asyncio.wait_for(has_both.wait(), 30)
        assert heard == second == ["one", "two"]
