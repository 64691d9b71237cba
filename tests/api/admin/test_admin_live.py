"""The admin API in front of a real page: what it shows while a chat runs, and an account that is added to a bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from openai import APIStatusError

from bridge.browser.browser import Chromium
from bridge.settings import DashboardSettings
from bridge.storage.api_keys import KeyStore
from bridge.telemetry import WorkerState
from tests.support.browsers import light_browser
from tests.support.live import Live, directive, live
from tests.support.operator import events
from tests.support.waiting import LIMIT


@asynccontextmanager
async def operator(run: Live) -> AsyncIterator[aiohttp.ClientSession]:
    """Come with the admin key of this machine."""
    key = await asyncio.to_thread(KeyStore(run.settings.config).admin_key)
    timeout = aiohttp.ClientTimeout(total=2 * LIMIT)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(run.bridge.url, headers=headers, timeout=timeout) as http:
        yield http


async def test_a_chat_is_followed_from_its_sending_to_its_end_and_can_be_ended(
    tmp_path: Path, chromium: Chromium
) -> None:
    browser = light_browser(call_limit=5, record=tmp_path / "records")
    dashboard = DashboardSettings(history=True)
    async with chromium.context({}):  # starts it: what happens in a shared browser is told to who made it
        pass
    async with (
        live(tmp_path, chromium=chromium, browser=browser, dashboard=dashboard) as run,
        operator(run) as http,
        events(http) as stream,
    ):
        await stream.until(lambda state: [one["state"] for one in state["accounts"]] == ["ready"])
        assert stream.state["browser"]["state"] == "running"
        asking = asyncio.get_running_loop().create_task(run.ask(directive(tokens=40, rate=20)))
        await stream.until(lambda state: [one["step"] for one in state["running"]] == ["writing"])
        (running,) = stream.state["running"]
        assert {"queued", "started", "sent", "first_byte", "first_token"} <= running["marks"].keys()
        assert stream.state["accounts"][0]["chat"]["id"] == running["id"]
        ended = await stream.next("chat")
        assert (ended["id"], ended["result"], ended["account"]) == (running["id"], "stop", "alice")
        assert ended["answer_chars"] == len(await asking)
        assert ended["tokens"] > 0
        async with http.get(f"/admin/api/chats/{ended['id']}/record") as response:
            assert (response.status, response.content_type) == (200, "application/zip")
        async with http.get(f"/admin/api/chats/{ended['id']}") as response:
            assert (await response.json())["answer"] == await asking
        asking = asyncio.get_running_loop().create_task(run.ask(directive(tokens=5000, rate=50)))
        await stream.until(lambda state: [one["step"] for one in state["running"]] == ["writing"])
        async with http.delete(f"/admin/api/chats/{stream.state['running'][0]['id']}") as response:
            assert response.status == 200
        with pytest.raises(APIStatusError) as cancelled:
            await asking
        assert cancelled.value.code == "cancelled_by_operator"
        assert (await stream.next("chat"))["result"] == "cancelled_by_operator"


async def test_an_account_is_added_by_a_token_used_and_removed_without_a_restart(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, "alice", "bob", chromium=chromium) as run, operator(run) as http:
        async with http.delete("/admin/api/accounts/bob") as response:
            assert response.status == 200, await response.text()
        token = run.site.account("bob").token
        body = {"name": "robert", "site": "deepseek", "url": run.site.url, "token": token}
        async with http.post("/admin/api/accounts", json=body) as response:
            answer = await response.json()
            assert (response.status, answer["account"]["state"]) == (201, "ready"), answer
            assert token not in str(answer)
        async with http.post("/admin/api/accounts/alice/pause", json={}) as response:
            assert (await response.json())["account"]["paused"]
        assert await run.ask(directive(text="from robert")) == "from robert"
        async with http.get("/admin/api/chats?limit=1") as response:
            assert (await response.json())["chats"][0]["account"] == "robert"
        async with http.post("/admin/api/accounts", json={**body, "name": "eve", "token": "x" * 64}) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, "token")


async def test_the_site_is_checked_beside_an_idle_page_and_a_busy_a_parked_and_a_signed_out_account_say_so(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, "alice", "bob", chromium=chromium) as run, operator(run) as http:

        async def checked(**body: str) -> dict[str, tuple[bool | None, str]]:
            async with http.post("/admin/api/doctor/site", json=body) as response:
                answer = await response.json()
                assert response.status == 200, answer
            return {check["name"]: (check["ok"], check["text"]) for one in answer["site"] for check in one["checks"]}

        found = await checked()
        assert {name: ok for name, (ok, _) in found.items()} == {
            f"{kind} of {name}": True for kind in ("page", "stream") for name in ("alice", "bob")
        }, found
        assert "composer by placeholder" in found["page of alice"][1]
        assert [account.turns for account in run.site.accounts] == [[], []]
        async with http.post("/admin/api/accounts/bob/pause", json={}):
            stream = await run.stream(directive(tokens=5000, rate=20))
        ok, text = (await checked(account="alice"))["page of alice"]
        assert (ok, "busy with a chat" in text) == (None, True), text
        assert await anext(aiter(stream)), "the chat goes on"
        await stream.close()
        run.account("bob").sign_out()
        ok, text = (await checked(account="bob"))["page of bob"]
        assert (ok, "bridge login" in text) == (False, True), text
        await run.facts.state("bob", WorkerState.LOGGED_OUT)
        ok, text = (await checked(account="bob"))["page of bob"]
        assert (ok, "not open: bob is logged_out" in text) == (False, True), text


async def test_a_bridge_is_checked_while_it_runs_and_a_chat_that_comes_while_its_site_is_waits_and_is_answered(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium) as run, operator(run) as http, asyncio.TaskGroup() as group:
        async with http.post("/admin/api/doctor", json={}) as response:
            checks = {check["name"]: check for check in (await response.json())["checks"]}
        assert [check for check in checks.values() if check["ok"] is not True] == []
        assert {"API keys", "profiles", "profile alice", "browser", "account alice"} <= checks.keys()
        asking: list[asyncio.Task[str]] = []
        async with run.bridge.pool.lent("alice"), events(http) as stream:
            asking.append(group.create_task(run.ask(directive(text="It has waited."))))
            await stream.until(lambda state: len(state["queue"]) == 1)
            async with http.post("/admin/api/doctor/site", json={"account": "alice"}) as response:
                (found,) = (await response.json())["site"]
            assert [check["ok"] for check in found["checks"]] == [None]
        assert await asking[0] == "It has waited."
