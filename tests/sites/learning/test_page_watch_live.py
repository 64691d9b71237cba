"""What was seen of a page's buttons outlives the document that they were in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from bridge.browser.browser import Chromium
from bridge.sites.learning.control_search import AFTER, BEFORE, BUSY, TYPED, stop_selectors
from bridge.sites.learning.page_watch import PageWatch
from tests.support.listening import listening
from tests.support.waiting import until

PAGE = "<title>Chat</title><textarea></textarea><button aria-label=Send>Send</button>"
ANSWERING = "() => document.body.insertAdjacentHTML('beforeend', '<button aria-label=Stop>Stop</button>')"


@asynccontextmanager
async def watched(chromium: Chromium) -> AsyncGenerator[PageWatch]:
    """Serve a page that has nothing but what it takes to chat, and watch it."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with listening(app) as origin, chromium.context({}) as context:
        tab = await context.new_page()
        await tab.goto(origin)
        yield PageWatch(tab, origin)


async def test_the_stop_button_is_known_although_the_page_loads_itself_anew_behind_the_answer(
    chromium: Chromium,
) -> None:
    async with watched(chromium) as watch:
        await watch.mark(1, BEFORE, TYPED, BUSY)
        await watch.page.evaluate(ANSWERING)

        async def sees_stop() -> bool:
            return any(one.element.text == "Stop" for one in await watch.looks())

        await until(sees_stop)
        await watch.page.reload()
        await watch.mark(1, AFTER)
        looks = await watch.looks()
    assert stop_selectors(looks, 1)[0] == 'button[aria-label="Stop"]'
    assert len({one.number for one in looks if one.element.text == "Send"}) == 2, "each document has its own numbers"
