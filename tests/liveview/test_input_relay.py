"""What a person does in a live view reaches the page as long as it is this bridge's."""

from __future__ import annotations

from bridge.browser.browser import Chromium
from bridge.liveview.input_relay import InputRelay
from bridge.liveview.viewer_messages import Typed
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
