"""An operator at one node sees the accounts of all and works their pages, wherever they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import aiohttp
import pytest
from playwright.async_api import expect

from bridge.browser.browser import Chromium
from bridge.sse import SSEDecoder
from bridge.telemetry import WorkerState
from tests.liveview.test_liveview_live import ASKING, admin_key, call, captured
from tests.support.browsers import free_port
from tests.support.cluster_bridges import Bridges, bridges, goes_on_at_another, ready
from tests.support.commands import Home
from tests.support.dashboard_pages import Dashboard
from tests.support.live import Live, directive, reset
from tests.support.relay import relay
from tests.support.waiting import LIMIT, until
from tests.support.watching import PASSWORD, account_page, fill_form, login_page, person


@asynccontextmanager
async def owner_and_gateway(
    folder: Path, chromium: Chromium, **cluster: Any
) -> AsyncGenerator[tuple[Bridges, Live, Live]]:
    """Run a node that has alice, and one that has no accounts and takes none."""
    async with bridges(folder, chromium, "alice", "bob", demo=ASKING) as nodes:
        owner = await nodes.start("owner", "alice", **cluster)
        gateway = await nodes.start("gateway", max_accounts=0)
        await until(lambda: ready(owner) == ["alice"] and gateway.bridge.everywhere.unready() is None)
        yield nodes, owner, gateway


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[tuple[Live, Live]]:
    """Both nodes, for all tests that leave alice where she is."""
    async with owner_and_gateway(tmp_path_factory.mktemp("nodes"), chromium) as (_, owner, gateway):
        yield owner, gateway


@pytest.fixture
async def pair(shared: tuple[Live, Live]) -> tuple[Live, Live]:
    """The owner and the gateway, with alice ready."""
    owner, gateway = shared
    await reset(owner)
    gateway.facts.forget()
    return owner, gateway


async def downloaded(run: Live, method: str, path: str) -> bytes:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin_key(run)}"}) as http,
        http.request(method, f"{run.bridge.url}/admin/api/{path}") as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def test_the_admin_api_of_any_node_shows_all_and_acts_where_the_account_is(
    pair: tuple[Live, Live], tmp_path: Path
) -> None:
    owner, gateway = pair
    for run in (owner, gateway):
        state = await call(run, "GET", "state")
        assert [(one["name"], one["node"]) for one in state["accounts"]] == [("alice", "owner")]
        assert [(one["name"], one["accounts"]) for one in state["cluster"]["nodes"]] == [
            ("gateway", 0),
            ("owner", 1),
        ]
    assert (await downloaded(gateway, "GET", "accounts/alice/thumbnail"))[:2] == b"\xff\xd8"
    bundle = ZipFile(BytesIO(await downloaded(gateway, "POST", "accounts/alice/bundle")))
    assert json.loads(bundle.read("report.json"))["account"] == "alice"
    checked = await call(gateway, "POST", "doctor/site", {})
    assert [(one["name"], one["ok"]) for one in checked["site"][0]["checks"]] == [
        ("page of alice", True),
        ("stream of alice", True),
    ]
    assert [one["text"] for one in (await call(gateway, "POST", "doctor"))["checks"]][-1] == "alice is ready."
    (tmp_path / "home").mkdir()
    with Home.at(tmp_path / "home") as home:
        at = ("--url", gateway.bridge.url, "--key", admin_key(gateway))
        shown = (await home.run("status", *at, COLUMNS="200")).out
        assert [word in shown for word in ("gateway (this one)", "0 of 0", "in service")] == [True] * 3
        (listed,) = (await home.run("accounts", "list", *at)).out.splitlines()[1:]
        words = listed.replace(",", "").split()  # it may be "ready, busy" for a moment yet
        assert words[:3] == ["alice", "owner", "ready"]
    drained = await call(gateway, "POST", "cluster/nodes/owner/drain")
    assert (drained["node"]["leaving"], drained["message"][:5]) == ("draining", "owner")
    await until(lambda: gateway.bridge.everywhere.control.unplaced() == ["alice"])  # type: ignore[union-attr]
    assert (await call(gateway, "GET", "cluster"))["unplaced"] == ["alice"]
    await call(gateway, "POST", "cluster/nodes/owner/undrain")
    await until(lambda: ready(owner) == ["alice"])


async def test_the_chats_of_all_nodes_are_shown_by_any(pair: tuple[Live, Live], tmp_path: Path) -> None:
    owner, gateway = pair
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin_key(gateway)}"}) as http,
        http.get(f"{gateway.bridge.url}/admin/api/events") as events,
        asyncio.timeout(LIMIT),
    ):
        stream = await gateway.stream(directive(tokens=20_000, rate=20))
        await anext(aiter(stream))
        for run in (gateway, owner):
            state = await call(run, "GET", "state")
            (chat,) = state["running"]
            assert (chat["account"], chat["node"]) == ("alice", "owner")
            assert state["accounts"][0]["chat"]["id"] == chat["id"]
        with Home.at(tmp_path) as home:
            shown = await home.run("status", "--url", gateway.bridge.url, "--key", admin_key(gateway), COLUMNS="200")
            assert [line.split()[2:4] for line in shown.out.splitlines() if chat["id"] in line] == [["alice", "owner"]]
        assert await until_event(events, "state", lambda told: bool(told.get("running")))
        assert owner.bridge.pool.cancel(chat["id"])
        ended = await until_event(events, "chat", lambda told: True)
        assert (ended["id"], ended["node"], ended["result"]) == (chat["id"], "owner", "cancelled_by_operator")
    recent = (await call(gateway, "GET", "state"))["recent"]
    assert [one["node"] for one in recent if one["id"] == chat["id"]] == ["owner"]


async def until_event(events: aiohttp.ClientResponse, name: str, fits: Callable[[Any], bool]) -> Any:
    """Return what the next event of that name tells that fits."""
    decoder = SSEDecoder()
    async for data in events.content.iter_any():
        for event in decoder.feed(data):
            if event.event == name and fits(told := json.loads(event.data)):
                return told
    return None


async def test_the_page_of_an_account_on_another_node_is_watched_and_worked(
    pair: tuple[Live, Live], chromium: Chromium
) -> None:
    owner, gateway = pair
    async with person(gateway, chromium) as someone:
        await someone.look(account="alice")
        await someone.take()
        shown = account_page(owner)
        await someone.click(shown.locator("textarea").first)
        await someone.type("Why is the sky blue?")
        await someone.page.keyboard.press("Enter")
        await until(lambda: [turn.prompt for turn in owner.account().turns] == ["Why is the sky blue?"])

        async def is_the_same_everywhere() -> bool:
            return bool(await call(gateway, "GET", "accounts") == await call(owner, "GET", "accounts"))

        await until(is_the_same_everywhere)  # some of it changes with time
        assert (await call(gateway, "GET", "accounts"))["accounts"][0]["held"]
        await someone.page.get_by_role("button", name="Give back").click()
        await until(lambda: ready(owner) == ["alice"])


async def test_a_challenge_on_another_node_is_solved_through_the_view(
    pair: tuple[Live, Live], chromium: Chromium
) -> None:
    owner, gateway = pair
    async with person(gateway, chromium) as someone:
        owner.account().fault("load_human_check", times=None)
        after = len(owner.facts.seen)
        await call(gateway, "POST", "accounts/alice/reopen")
        await owner.facts.state("alice", WorkerState.CHALLENGED, after)
        await someone.look(account="alice")
        await someone.take()
        owner.account().clear_fault()
        await someone.click(account_page(owner).get_by_role("button", name="Begin"))
        await someone.page.get_by_text("Solved: the account takes chats again").wait_for()
        assert await gateway.client.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": "Are you free?"}]
        )


async def test_an_account_of_another_node_is_logged_in_by_hand_from_any(chromium: Chromium, tmp_path: Path) -> None:
    async with owner_and_gateway(tmp_path, chromium) as (nodes, owner, gateway), person(gateway, chromium) as someone:
        alice = owner.account("alice")
        alice.sign_out(alice.token)
        after = len(owner.facts.seen)
        await call(gateway, "POST", "accounts/alice/reopen")
        await owner.facts.state("alice", WorkerState.LOGGED_OUT, after)
        owner.account("bob").password = PASSWORD
        begun = await call(gateway, "POST", "logins", {"name": "alice", "site": "deepseek", "url": nodes.site.url})
        page = await login_page(gateway, begun["id"])
        await someone.look(login=begun["id"])
        await someone.has_controls()
        await fill_form(someone, page)
        assert (await captured(gateway, begun["id"]))["state"] == "captured"
        assert ready(owner) == ["alice"]


async def test_a_view_says_that_a_node_is_lost_and_follows_its_account_to_another_one(
    chromium: Chromium, tmp_path: Path
) -> None:
    port = free_port()
    async with relay(f"http://127.0.0.1:{port}") as way:
        reached = {"port": port, "address": way.url}
        async with (
            owner_and_gateway(tmp_path, chromium, **reached) as (nodes, owner, gateway),
            person(gateway, chromium) as someone,
        ):
            await someone.look(account="alice")
            await someone.take()
            way.sever()
            await someone.page.get_by_text("The node owner no longer answers.").first.wait_for()
            await until(lambda: ready(owner) == ["alice"])  # the person is gone there, as far as the node knows
            await way.mend()
            await someone.take()
            await someone.page.get_by_role("button", name="Give back").click()
            await call(gateway, "POST", "cluster/nodes/owner/drain")
            await goes_on_at_another(nodes, someone)


async def test_the_dashboard_of_any_node_shows_the_nodes_and_drains_one(
    pair: tuple[Live, Live], chromium: Chromium
) -> None:
    owner, gateway = pair
    async with person(gateway, chromium) as someone:
        await someone.page.goto(f"{gateway.bridge.url}{gateway.bridge.sign_in_path()}")
        dashboard = Dashboard(someone.page, gateway.bridge.url)
        await expect(dashboard.account("alice")).to_contain_text("on owner")
        await dashboard.account("alice").locator(".thumbnail img").wait_for()
        await dashboard.go("nodes")
        row = someone.page.locator("li.node-row", has_text="owner")
        await row.get_by_role("button", name="Drain").click()
        await someone.page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        await expect(row).to_contain_text("Drained")
        await expect(someone.page.get_by_text("One account is on no node: alice")).to_be_visible()
        await row.get_by_role("button", name="Undo").click()
        await expect(row).to_contain_text("In service")
        await until(lambda: ready(owner) == ["alice"])
        await dashboard.go("accounts")
        await expect(dashboard.account("alice").get_by_text("Ready")).to_be_visible()
