"""The localStorage of a login is there when the account's page begins, and is no more put back after that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.browser.browser import Chromium
from bridge.errors import BrowserError
from bridge.origins import origin_of
from bridge.sites.known_sites import load_driver
from bridge.storage.profiles import Profile
from bridge.worker.page_session import open_session
from tests.support.browsers import light_browser
from tests.support.listening import listening
from tests.support.live import settings_for
from tests.support.waiting import until

PAGE = "<!doctype html><script>window.atFirst = {...localStorage}</script>"
ITEMS = {"token": "ünïque\u2028</script>", "other": ""}
ODD = {name: f"of {name}" for name in ("__proto__", "constructor", "key", "setItem", "%s", "\ud800", "")}
AT_FIRST = "atFirst"


def profile_for(address: str, **items: str) -> Profile:
    stored = [{"name": name, "value": value} for name, value in items.items()]
    state = {"cookies": [], "origins": [{"origin": origin_of(address), "localStorage": stored}]}
    return Profile(name="a", site="deepseek", url=address, storage_state=state)


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def test_a_page_finds_its_login_at_its_first_script_and_one_that_logs_out_stays_so(
    tmp_path: Path, chromium: Chromium
) -> None:
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", page)])
    async with (
        listening(app) as address,
        open_session(
            chromium, profile_for(address, **ITEMS), load_driver("deepseek"), settings_for(tmp_path).pages
        ) as session,
    ):
        assert await session.page.evaluate(AT_FIRST) == ITEMS
        await session.page.evaluate("localStorage.clear()")
        await session.page.reload()
        assert await session.page.evaluate(AT_FIRST) == {}
        await session.page.evaluate("localStorage.token = 'new'")
        await session.renew(30)
        assert await session.page.evaluate(AT_FIRST) == {"token": "new"}
        (origin,) = (await session.capture(profile_for(address), 30)).storage_state["origins"]
        assert origin["localStorage"] == [{"name": "token", "value": "new"}]


async def test_a_page_that_is_first_sent_elsewhere_finds_its_login_when_it_comes_back(
    tmp_path: Path, chromium: Chromium
) -> None:
    there = web.Application()
    there.add_routes([web.get("/", page)])
    async with listening(there) as other:

        async def away(_: web.Request) -> web.Response:
            raise web.HTTPFound(other.replace("127.0.0.1", "localhost"))

        app = web.Application()
        app.add_routes([web.get("/", away), web.get("/back", page)])
        settings = settings_for(tmp_path, browser=light_browser(hosts="any"))
        async with (
            listening(app) as address,
            open_session(chromium, profile_for(address, **ITEMS), load_driver("deepseek"), settings.pages) as session,
        ):
            assert await session.page.evaluate(AT_FIRST) == {}
            for expected in (ITEMS, {}):
                await session.page.goto(f"{address}/back")
                assert await session.page.evaluate(AT_FIRST) == expected
                await session.page.evaluate("localStorage.clear()")


async def test_a_page_that_is_opened_after_one_that_never_came_finds_its_login(
    tmp_path: Path, chromium: Chromium
) -> None:
    there, addresses = web.Application(), list[str]()
    there.add_routes([web.get("/", page)])

    async def first_away(request: web.Request) -> web.Response:
        if addresses:
            raise web.HTTPFound(addresses.pop())
        return await page(request)

    app = web.Application()
    app.add_routes([web.get("/", first_away)])
    settings = settings_for(tmp_path, browser=light_browser(hosts="any"))
    async with listening(there) as other, listening(app) as address:
        addresses.append(other.replace("127.0.0.1", "localhost"))
        profile, driver = profile_for(address, **ITEMS), load_driver("deepseek")
        async with open_session(chromium, profile, driver, settings.pages) as session:
            assert await session.page.evaluate(AT_FIRST) == {}
            await session.renew(30)
            assert await session.page.evaluate(AT_FIRST) == ITEMS


async def test_items_of_any_name_are_put_and_read(tmp_path: Path, chromium: Chromium) -> None:
    app = web.Application()
    app.add_routes([web.get("/", page)])
    async with listening(app) as address:
        profile = profile_for(address, **ODD)
        profile = profile.with_state(profile.storage_state, {origin_of(address): ODD})
        async with open_session(chromium, profile, load_driver("deepseek"), settings_for(tmp_path).pages) as session:
            captured = await session.capture(profile, 30)
        (origin,) = captured.storage_state["origins"]
        assert {item["name"]: item["value"] for item in origin["localStorage"]} == ODD
        assert captured.session_storage == {origin_of(address): ODD}


@pytest.mark.parametrize(
    "more", [{}, {"localStorage": 1}, {"localStorage": [1]}, {"localStorage": [{"name": "n", "value": 1}]}]
)
async def test_a_login_of_another_form_is_an_error_that_says_so(
    tmp_path: Path, chromium: Chromium, more: dict[str, Any]
) -> None:
    profile = profile_for("http://127.0.0.1:9")
    state = {"cookies": [], "origins": [{"origin": origin_of(profile.url), **more}]}
    opening = open_session(
        chromium, profile.with_state(state, {}), load_driver("deepseek"), settings_for(tmp_path).pages
    )
    with pytest.raises(BrowserError, match="localStorage"):
        await opening.__aenter__()


async def test_an_account_is_opened_with_one_page_and_no_other(tmp_path: Path, chromium: Chromium) -> None:
    app = web.Application()
    app.add_routes([web.get("/", page)])
    driver, settings = load_driver("deepseek"), settings_for(tmp_path)
    async with listening(app) as address:
        async with open_session(chromium, profile_for(address), driver, settings.pages):
            pass
        running = chromium.running
        assert running is not None
        opened: list[str] = []
        await running.session.send("Target.setDiscoverTargets", {"discover": True})
        running.session.on("Target.targetCreated", lambda event: opened.append(event["targetInfo"]["type"]))
        async with open_session(chromium, profile_for(address, **ITEMS), driver, settings.pages) as session:
            await until(lambda: "page" in opened)
            assert await session.page.evaluate(AT_FIRST) == ITEMS
        await running.session.send("Target.setDiscoverTargets", {"discover": False})
        assert opened.count("page") == 1
