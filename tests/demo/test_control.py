"""The control API does by HTTP what the site object does in Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from bridge.demo import FAULTS, Account, DemoSettings, DemoSite
from bridge.demo.__main__ import read_settings

from .calling import Caller, replay, text_of


@pytest_asyncio.fixture(loop_scope="session")
async def control(site: DemoSite) -> AsyncIterator[ClientSession]:
    async with ClientSession(f"{site.url}/__demo__/") as session:
        yield session


async def _json(session: ClientSession, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with session.request(method, path, json=body) as response:
        return response.status, await response.json()


async def test_a_script_can_be_queued_and_its_turn_be_waited_for(
    site: DemoSite, account: Account, control: ClientSession
) -> None:
    path = f"accounts/{account.name}"
    assert (await _json(control, "POST", f"{path}/script", {"text": "By remote control."}))[0] == 201
    async with Caller(site, account) as caller:
        waiting, events = await asyncio.gather(_json(control, "GET", f"{path}/turns?wait=5"), caller.read("hi"))
    assert text_of(replay(events)) == "By remote control."
    turn = waiting[1]["turns"][0]
    assert (turn["sent_text"], turn["outcome"], turn["prompt"]) == ("By remote control.", "finished", "hi")
    status, later = await _json(control, "GET", f"{path}/turns?after=1")
    assert (status, later) == (200, {"turns": [], "generating": False})


async def test_faults_can_be_switched_on_and_off(account: Account, control: ClientSession) -> None:
    path = f"accounts/{account.name}/faults"
    wanted = {"name": "stall", "times": 2, "params": {"after": 1}}
    _, answer = await _json(control, "POST", path, wanted)
    params = {**FAULTS["stall"].params, "after": 1}
    assert answer["faults"] == [{"name": "stall", "left": 2, "params": params}]
    assert (await _json(control, "DELETE", f"{path}/stall"))[1] == {"faults": []}


async def test_the_table_of_faults_can_be_read(control: ClientSession) -> None:
    _, table = await _json(control, "GET", "faults")
    assert {name: row["text"] for name, row in table.items()} == {name: f.text for name, f in FAULTS.items()}


async def test_accounts_can_be_added_and_looked_at(control: ClientSession) -> None:
    assert (await _json(control, "POST", "accounts/zoe"))[1]["password"] == "demo-zoe"
    assert (await _json(control, "GET", "accounts/zoe"))[1]["email"] == "zoe@example.com"
    names = [one["name"] for one in (await _json(control, "GET", ""))[1]["accounts"]]
    assert "zoe" in names


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "accounts/nobody", None, 404),
        ("POST", "accounts/alice", None, 409),
        ("POST", "accounts/alice/script", {"words": 1}, 400),
        ("POST", "accounts/alice/faults", {"name": "flood"}, 400),
        ("POST", "accounts/alice/faults", {}, 400),
    ],
)
async def test_a_wrong_call_is_told_what_is_wrong(
    control: ClientSession, method: str, path: str, body: object, status: int
) -> None:
    async with control.request(method, path, json=body) as response:
        assert response.status == status
        assert await response.text()


def test_the_command_line_sets_what_it_names() -> None:
    settings = read_settings(["--port", "0", "--lang", "zh", "--settle", "0", "0.1", "--accounts", "carol"])
    assert settings == DemoSettings(port=0, lang="zh", settle=(0.0, 0.1), accounts=("carol",))


@pytest.mark.browser
async def test_the_site_runs_in_a_process_of_its_own_until_it_is_told_to_end() -> None:
    command = [sys.executable, "-m", "bridge.demo", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
        process.terminate()
        assert await process.wait() == 0
    assert line.startswith("demo site on http://127.0.0.1:")
    assert "accounts: alice@example.com / demo-alice, bob@example.com / demo-bob" in line
