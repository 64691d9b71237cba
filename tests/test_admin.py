"""What an operator may ask and do: how everything stands, and what can be done with the accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.chat import Account
from bridge.telemetry import WorkerState
from tests.commands import Home
from tests.fake_backend import ADMIN_KEY, Served, serving

UNTIL = datetime(2026, 12, 24, 18, tzinfo=UTC)
ACCOUNTS = (
    Account("alice", WorkerState.READY, "", None, is_busy=True, site="deepseek", url="https://a.example/"),
    Account("bob", WorkerState.CHALLENGED, "[red]Are you human?", UNTIL, is_busy=False),
)
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
BASIC = {
    "site": "",
    "url": "",
    "paused": False,
    "held": False,
    "chat": None,
    "sends": {"hour": 0, "day": 0, "hour_limit": None, "day_limit": None},
    "last_error": None,
    "last_seen": None,
    "page_chats": 0,
}
ALICE = {
    **BASIC,
    "name": "alice",
    "site": "deepseek",
    "url": "https://a.example/",
    "state": "ready",
    "reason": "",
    "until": None,
    "busy": True,
    "thumbnail": True,
}
BOB = {
    **BASIC,
    "name": "bob",
    "state": "challenged",
    "reason": "[red]Are you human?",
    "until": "2026-12-24T18:00:00+00:00",
    "busy": False,
    "thumbnail": False,
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        running.backend.known = ACCOUNTS
        yield running


async def test_with_a_key_readiness_lists_every_account_with_state_reason_and_end(served: Served) -> None:
    async with served.http.get("/readyz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ready", "accounts": [ALICE, BOB]})
    served.backend.reason = "No account is ready."
    async with served.http.get("/readyz") as response:
        body = await response.json()
        assert (response.status, body["reason"], body["accounts"]) == (503, "No account is ready.", [ALICE, BOB])


@pytest.mark.parametrize("key", ["", "sk-bridge-another-one"])
async def test_without_a_right_key_readiness_lists_no_account(served: Served, key: str) -> None:
    async with served.http.get("/readyz", headers={"Authorization": f"Bearer {key}"}) as response:
        assert (response.status, await response.json()) == (200, {"status": "ready"})


async def test_an_account_can_be_checked_with_an_admin_key_only(served: Served) -> None:
    async with served.http.post("/admin/api/accounts/bob/check", json={}, headers=ADMIN) as response:
        answer = {"account": BOB, "message": "bob is challenged until 2026-12-24 18:00:00 UTC ([red]Are you human?)."}
        assert (response.status, await response.json()) == (200, answer)
    async with served.http.post("/admin/api/accounts/eve/check", json={}, headers=ADMIN) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "account_not_found")
    async with served.http.get("/admin/api/accounts", headers=ADMIN) as response:
        assert await response.json() == {"accounts": [ALICE, BOB]}
    for key, status in (("", 401), (None, 403)):
        headers = {} if key is None else {"Authorization": key}
        async with served.http.post("/admin/api/accounts/bob/check", json={}, headers=headers) as response:
            assert response.status == status
    assert served.backend.checked == ["bob"]


async def test_a_command_checks_an_account_and_says_what_came_of_it(served: Served, tmp_path: Path) -> None:
    where = ("--url", f"http://127.0.0.1:{served.port}", "--key", ADMIN_KEY)
    with Home.at(tmp_path) as home:
        served.backend.known = (replace(ACCOUNTS[0], is_busy=True), ACCOUNTS[1])
        ready = await home.run("accounts", "check", "alice", *where)
        assert (ready.code, ready.out) == (0, "alice is ready.\n")
        parked = await home.run("accounts", "check", "bob", *where)
        until = "2026-12-24T18:00:00+00:00"
        assert (parked.code, parked.out) == (1, f"bob is challenged until {until}: [red]Are you human?\n")
        unknown = await home.run("accounts", "check", "eve/..", *where)
        assert (unknown.code, "'eve/..'" in unknown.err) == (1, True)
        shown = (await home.run("accounts", "list", *where)).out
        assert [word in shown for word in ("alice", "ready, busy", "[red]Are you human?", until)] == [True] * 4
        absent = await home.run("accounts", "list", "--url", "http://127.0.0.1:9")
        assert (absent.code, "bridge serve" in absent.err) == (1, True)
