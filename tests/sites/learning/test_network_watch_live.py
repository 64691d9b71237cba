"""What a page sends is seen by whatever way it sends it."""

from __future__ import annotations

import pytest
from aiohttp import web

from bridge.browser.browser import Chromium
from bridge.browser.tab_session import TabSession
from bridge.sites.learning.network_watch import NetworkWatch
from tests.support.listening import listening
from tests.support.waiting import until

WAYS = {
    "fetch": "fetch('/api', {method: 'POST', body: words})",
    "xhr": "{ const call = new XMLHttpRequest(); call.open('POST', '/api'); call.send(words); }",
    "beacon": "navigator.sendBeacon('/api', words)",
    "beacon of a blob": "navigator.sendBeacon('/api', new Blob([words], {type: 'application/json'}))",
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_prompt_is_seen_by_whatever_way_the_page_sends_it(chromium: Chromium, way: str) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/api", page)
    async with listening(app) as url, chromium.context({}) as context:
        tab = await context.new_page()
        watch = NetworkWatch(TabSession(await context.new_cdp_session(tab), 30))
        await watch.start()
        await tab.goto(url)
        await tab.evaluate(f"words => {{ {WAYS[way]} }}", '{"prompt": "kestrel"}')
        await until(lambda: watch.has_sent(b"kestrel", 0))
        await watch.close()
