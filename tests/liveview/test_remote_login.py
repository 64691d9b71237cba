"""`bridge login` where there is no screen: a link to a view of the page, and waiting for what comes of it."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.commands import Home
from tests.support.listening import listening

NO_SCREEN = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


@dataclass
class Logins:
    """A bridge's remote logins, as far as a command sees them."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    state: str = "waiting"
    message: str = ""
    given_up: list[str] = field(default_factory=list)

    async def root(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "chat-page-bridge"})

    async def begin(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        return web.json_response({"id": "l-1"}, status=201)

    async def link(self, request: web.Request) -> web.Response:
        path = (await request.json())["path"]
        return web.json_response({"url": f"http://{request.host}{path}#sign-in=once", "expires": "later"})

    async def look(self, _: web.Request) -> web.Response:
        return web.json_response({"state": self.state, "message": self.message, "name": "me"})

    async def end(self, request: web.Request) -> web.Response:
        self.given_up.append(request.match_info["id"])
        return web.json_response({"state": "failed", "message": "", "name": "me"})


@asynccontextmanager
async def logins() -> AsyncGenerator[Logins]:
    fake, app = Logins(), web.Application()
    app.add_routes(
        [
            web.get("/", fake.root),
            web.post("/admin/api/logins", fake.begin),
            web.post("/admin/api/links", fake.link),
            web.get("/admin/api/logins/{id}", fake.look),
            web.delete("/admin/api/logins/{id}", fake.end),
        ]
    )
    async with listening(app) as url:
        fake.port = int(url.rpartition(":")[2])
        yield fake


async def test_the_link_is_printed_and_the_command_ends_when_the_login_is_captured(home: Home) -> None:
    async with logins() as bridge:
        words = ("login", "me", "--url", "http://site.example")
        async with home.started(*words, BRIDGE_SERVER_PORT=str(bridge.port), **NO_SCREEN) as login:
            shown = await login.shows("Ctrl-C")
            assert f"http://127.0.0.1:{bridge.port}/dashboard/live?login=l-1#sign-in=once" in shown
            assert f"ssh -L {bridge.port}:127.0.0.1:{bridge.port}" in shown
            bridge.state, bridge.message = "captured", "me is logged in."
            await login.shows("me is logged in.")
            assert await login.process.wait() == 0
        assert bridge.asked == [{"name": "me", "site": "deepseek", "url": "http://site.example"}]
        assert bridge.given_up == []


@pytest.mark.parametrize("state", ["failed", "expired"])
async def test_a_login_that_comes_to_nothing_is_an_error_that_says_why(home: Home, state: str) -> None:
    async with logins() as bridge:
        bridge.state, bridge.message = state, "Nobody was signed in."
        ended = await home.run("login", "me", BRIDGE_SERVER_PORT=str(bridge.port), **NO_SCREEN)
        assert (ended.code, ended.err) == (1, "Error: Nobody was signed in.\n")


async def test_ctrl_c_gives_the_login_up(home: Home) -> None:
    async with logins() as bridge:
        async with home.started("login", "me", BRIDGE_SERVER_PORT=str(bridge.port), **NO_SCREEN) as login:
            await login.shows("Ctrl-C")
            assert await login.ends(signal.SIGINT) == 130
        assert bridge.given_up == ["l-1"]


async def test_without_a_dashboard_the_other_ways_are_named(home: Home) -> None:
    ended = await home.run("login", "me", BRIDGE_DASHBOARD_ENABLED="0", **NO_SCREEN)
    assert (ended.code, "dashboard.enabled" in ended.err, "--token" in ended.err) == (1, True, True)
    bad = await home.run("login", "../me", **NO_SCREEN)
    assert (bad.code, bool(re.search("not a valid profile name", bad.err))) == (1, True)
