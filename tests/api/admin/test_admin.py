"""What an operator may ask and do: how everything stands, and what can be done with the accounts."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from loguru import logger

from bridge import __version__
from bridge.api.connections import CLOSE_LIMIT
from bridge.app import running
from bridge.chat.types import Account, ChatRequest, Finish, Message, Model, Text
from bridge.monitor.event_feed import STALLED
from bridge.monitor.monitor import Monitor
from bridge.settings import BrowserSettings, DashboardSettings, ServerSettings, Settings
from bridge.storage.chat_history import ChatHistory, folder_in, forget_history
from bridge.storage.profile_key import Identity, load_identity
from bridge.telemetry import (
    BrowserLost,
    BrowserStarted,
    ChatEnded,
    ChatProgress,
    ChatQueued,
    ChatStarted,
    DriftSeen,
    WorkerState,
)
from tests.support.commands import Home
from tests.support.fake_backend import ADMIN_KEY, KEY, Served, serving
from tests.support.operator import events, signed_in

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
    async with serving(monitored=True) as running:
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


@pytest.mark.browser
async def test_a_command_checks_an_account_and_says_what_came_of_it(served: Served, tmp_path: Path) -> None:
    where = ("--url", f"http://127.0.0.1:{served.port}", "--key", ADMIN_KEY)
    with Home.at(tmp_path) as home:
        served.backend.known = (replace(ACCOUNTS[0], is_busy=True), ACCOUNTS[1])
        ready = await home.run("accounts", "check", "alice", *where)
        assert (ready.code, ready.out) == (0, "alice is ready.\n")
        parked = await home.run("accounts", "check", "bob", *where)
        until = "2026-12-24T18:00:00+00:00"
        assert (parked.code, parked.out) == (
            1,
            "bob is challenged until 2026-12-24 18:00:00 UTC ([red]Are you human?).\n",
        )
        unknown = await home.run("accounts", "check", "eve/..", *where)
        assert (unknown.code, "'eve/..'" in unknown.err) == (1, True)
        shown = (await home.run("accounts", "list", *where)).out
        assert [word in shown for word in ("alice", "ready, busy", "[red]Are you human?", until)] == [True] * 4
        absent = await home.run("accounts", "list", "--url", "http://127.0.0.1:9")
        assert (absent.code, "bridge serve" in absent.err) == (1, True)


# Accounts


@pytest.mark.parametrize(
    ("action", "flag", "message"),
    [
        ("pause", {"paused": True}, "alice takes no new chats until it is resumed; the running one goes on."),
        ("resume", {"paused": False}, "alice is ready."),
        ("wake", {}, "alice is ready."),
        ("sleep", {}, "alice is closed as soon as its chat has ended."),
        ("reopen", {}, "alice is opened again as soon as its chat has ended."),
        ("renew", {}, "alice gets a new page as soon as its chat has ended."),
    ],
)
async def test_each_action_says_what_came_of_it(
    served: Served, action: str, flag: dict[str, bool], message: str
) -> None:
    async with signed_in(served) as operator:
        status, answer = await operator.answer("POST", f"/admin/api/accounts/alice/{action}")
        assert (status, answer) == (200, {"account": ALICE | flag, "message": message})
        assert served.backend.done == [f"{action} alice"]
        status, answer = await operator.answer("POST", f"/admin/api/accounts/eve/{action}")
        assert (status, answer["error"]["code"]) == (404, "account_not_found")


async def test_an_account_is_renamed_and_removed(served: Served) -> None:
    async with signed_in(served) as operator:
        status, answer = await operator.answer("POST", "/admin/api/accounts/bob/rename", {"to": "carol"})
        assert (status, answer["account"]["name"]) == (200, "carol")
        assert answer["message"] == "bob is now called carol."
        for body, param in (({}, "to"), ({"to": 7}, "to"), ({"to": "x", "and": 1}, "and")):
            status, answer = await operator.answer("POST", "/admin/api/accounts/alice/rename", body)
            assert (status, answer["error"]["param"]) == (400, param)
        assert (await operator.answer("DELETE", "/admin/api/accounts/carol"))[0] == 200
        _, answer = await operator.answer("GET", "/admin/api/accounts")
        assert [account["name"] for account in answer["accounts"]] == ["alice"]


async def test_the_picture_and_the_bundle_of_a_page_can_be_had(served: Served, tmp_path: Path) -> None:
    served.backend.bundle_at = tmp_path / "20261124T1-alice"
    served.backend.bundle_at.mkdir()
    (served.backend.bundle_at / "report.json").write_text("{}")
    async with signed_in(served) as operator:
        async with operator.get("/admin/api/accounts/alice/thumbnail") as response:
            assert (response.status, response.content_type) == (404, "application/json")
        served.backend.picture = b"\xff\xd8picture"
        async with operator.get("/admin/api/accounts/alice/thumbnail") as response:
            assert (await response.read(), response.content_type) == (b"\xff\xd8picture", "image/jpeg")
            assert response.headers["cache-control"] == "no-store"
        async with operator.send("POST", "/admin/api/accounts/alice/bundle") as response:
            assert response.content_type == "application/zip"
            assert response.headers["content-disposition"] == 'attachment; filename="20261124T1-alice.zip"'
            assert zipfile.ZipFile(io.BytesIO(await response.read())).namelist() == ["report.json"]


@pytest.mark.parametrize(
    ("body", "wish"),
    [
        ({"site": "deepseek", "token": "t" * 64}, "token carol deepseek None"),
        (
            {"url": "https://a.example", "storage_state": {"cookies": []}},
            "storage state carol deepseek https://a.example",
        ),
        ({"profile": "YWdl", "profile_key": "KEY"}, "profile b'age' KEY carol"),
    ],
)
async def test_an_account_is_added_by_a_login_from_elsewhere(served: Served, body: dict[str, Any], wish: str) -> None:
    async with signed_in(served) as operator:
        status, answer = await operator.answer("POST", "/admin/api/accounts", {"name": "carol", **body})
        assert (status, answer["account"]["name"]) == (201, "carol")
        assert answer["message"] == "It is stored. carol is ready."
        assert served.backend.done == [wish, "add carol"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "token"),
        ({"token": "a", "profile": "YWdl"}, "token"),
        ({"token": "bad"}, "token"),
        ({"profile": "no base64!"}, "profile"),
        ({"storage_state": "text"}, "storage_state"),
        ({"token": "hunter2" * 10_000}, "token"),
        ({"token": "a", "keep": True}, "keep"),
    ],
)
async def test_a_login_that_cannot_be_used_is_told_with_its_field_and_never_shown(
    served: Served, body: dict[str, Any], param: str
) -> None:
    async with signed_in(served) as operator:
        status, answer = await operator.answer("POST", "/admin/api/accounts", {"name": "carol", **body})
        assert (status, answer["error"]["param"]) == (400, param)
        assert "hunter2" not in answer["error"]["message"]
        assert served.backend.done == []


# Chats


def facts(served: Served, id: str = "c-1", result: str = "stop", bundle: str = "") -> None:  # noqa: A002
    """Tell of a chat from its beginning to its end."""
    served.monitor(ChatQueued(id, "deepseek-chat", 1))
    served.monitor(ChatStarted(id, "alice"))
    marks = {"queued": 0.0, "started": 1.0, "sent": 1.2, "first_byte": 1.5, "first_token": 2.0, "end": 4.0}
    served.monitor(ChatEnded(id, "deepseek-chat", "alice", result, "why", marks, 20, 400, 100, bundle))


async def test_the_last_chats_are_listed_with_their_times_and_sizes_but_no_text(served: Served) -> None:
    for number in range(5):
        facts(served, f"c-{number}")
    async with signed_in(served) as operator:
        _, answer = await operator.answer("GET", "/admin/api/chats?limit=2")
        assert [chat["id"] for chat in answer["chats"]] == ["c-4", "c-3"]
        _, answer = await operator.answer("GET", "/admin/api/chats?limit=2&before=c-3")
        assert [chat["id"] for chat in answer["chats"]] == ["c-2", "c-1"]
        assert (await operator.answer("GET", "/admin/api/chats?before=forgotten"))[1] == {"chats": []}
        (chat,) = answer["chats"][:1]
        assert chat.pop("at")
        assert chat["marks"]["first_token"] == 2.0
        assert (chat["prompt_chars"], chat["answer_chars"], chat["tokens"]) == (20, 400, 100)
        assert (chat["trace"], chat["bundle"], chat["record"]) == (False, False, False)
        for wrong in ("limit=0", "limit=x", "limit=1000000", f"before={'x' * 300}"):
            status, answer = await operator.answer("GET", f"/admin/api/chats?{wrong}")
            assert (status, answer["error"]["param"]) == (400, wrong.partition("=")[0])


async def test_a_chat_can_be_ended(served: Served) -> None:
    async with served.post() as response:
        assert response.status == 200
    async with signed_in(served) as operator:
        asked = served.backend.requests[-1].id
        assert (await operator.answer("DELETE", f"/admin/api/chats/{asked}"))[0] == 200
        status, answer = await operator.answer("DELETE", "/admin/api/chats/nobody")
        assert (status, answer["error"]["code"]) == (404, "not_found")


async def test_what_was_kept_of_a_chat_can_be_downloaded_and_nothing_else(tmp_path: Path) -> None:
    browser = BrowserSettings(trace=tmp_path / "traces", record=tmp_path / "records")
    for folder, name in (("traces", "c-1.zip"), ("records", "c-1-1.sse"), ("records", "c-1-2.sse")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(b"kept")
    (tmp_path / "secret.zip").write_bytes(b"secret")
    async with serving(browser=browser) as served, signed_in(served) as operator:
        bundles = served.config / "bundles" / "b-1"
        await asyncio.to_thread(bundles.mkdir, parents=True)
        await asyncio.to_thread((bundles / "report.json").write_text, "{}")
        facts(served, bundle="b-1")
        _, answer = await operator.answer("GET", "/admin/api/chats")
        assert [answer["chats"][0][kind] for kind in ("trace", "bundle", "record")] == [True] * 3
        async with operator.get("/admin/api/chats/c-1/trace") as response:
            assert await response.read() == b"kept"
            assert "attachment" in response.headers["content-disposition"]
        for kind, names in (("record", ["c-1-1.sse", "c-1-2.sse"]), ("bundle", ["report.json"])):
            async with operator.get(f"/admin/api/chats/c-1/{kind}") as response:
                assert zipfile.ZipFile(io.BytesIO(await response.read())).namelist() == names
        for id in ("c-2", "..%2Fsecret", "%2e%2e%2fsecret", "*"):  # noqa: A001
            for kind in ("trace", "bundle", "record"):
                assert (await operator.answer("GET", f"/admin/api/chats/{id}/{kind}"))[0] == 404
        facts(served, "c-3")
        for kind in ("trace", "bundle", "record"):
            assert (await operator.answer("GET", f"/admin/api/chats/c-3/{kind}"))[0] == 404


# History


async def test_texts_of_chats_are_kept_only_if_wanted_encrypted_and_for_the_operator() -> None:
    async with serving(dashboard=DashboardSettings(history=True)) as served, signed_in(served) as operator:
        async with served.post(messages=[{"role": "user", "content": "A secret question"}]) as response:
            assert response.status == 200
        chat = served.backend.requests[-1].id
        status, answer = await operator.answer("GET", f"/admin/api/chats/{chat}")
        assert (status, answer["answer"], answer["thinking"]) == (200, "Hello", "Hm.")
        assert answer["messages"][-1] == {"role": "user", "text": "A secret question"}
        (file,) = await asyncio.to_thread(lambda: list((served.config / "history").iterdir()))
        kept = await asyncio.to_thread(file.read_bytes)
        assert (kept[:11], b"secret" in kept, file.stat().st_mode & 0o777) == (b"age-encrypt", False, 0o600)
        for id in ("nobody", "..%2F..%2Fapi_keys", "*"):  # noqa: A001
            assert (await operator.answer("GET", f"/admin/api/chats/{id}"))[0] == 404
        async with served.http.get(f"/admin/api/chats/{chat}") as response:
            assert response.status == 403
    async with serving() as served, signed_in(served) as operator:
        async with served.post() as response:
            assert response.status == 200
        status, answer = await operator.answer("GET", f"/admin/api/chats/{served.backend.requests[-1].id}")
        assert (status, "dashboard.history" in answer["error"]["message"]) == (404, True)
        assert not (served.config / "history").exists()


def _keep(history: ChatHistory, chat: str, text: str, **more: Any) -> None:
    request = ChatRequest(chat, Model("m"), (Message("user", text),), **more)
    with history.record(request) as record:
        record(Text(text))
        record(Finish())


async def test_the_history_is_bounded_in_number_size_and_age_and_deleted_when_turned_off(tmp_path: Path) -> None:
    settings = DashboardSettings(history=True, history_chats=3, history_days=1)
    history = ChatHistory(folder_in(tmp_path), Identity.generate(), settings)
    for number in range(6):
        _keep(history, f"c-{number}", "x" * 500_000)
    _keep(history, "of-a-guest", "x", tokens=("t",))
    found = [await history.find(f"c-{number}") for number in range(6)]
    assert [one is None for one in found] == [True, True, True, False, False, False]
    assert found[5] is not None
    assert (len(found[5]["answer"]), len(found[5]["messages"][0]["text"])) == (200_000, 200_000)
    assert await history.find("of-a-guest") is None
    (tmp_path / "history" / "00000000000001_old.age").write_bytes(b"old")
    _keep(history, "c-6", "x")
    assert await history.find("old") is None
    await history.close()
    forget_history(tmp_path)
    assert not (tmp_path / "history").exists()


async def _heard_to_the_end(config: Path, *chats: str) -> None:
    """Keep chats as a bridge does, in the history that it has in `config`."""
    settings = Settings(config=config)
    history = ChatHistory(folder_in(config), load_identity(settings.key_source), DashboardSettings(history=True))
    for chat in chats:
        request = ChatRequest(chat, Model("m"), (Message("user", "hi"),))
        with history.record(request) as record:
            record(Text("hello"))
            history(ChatEnded(chat, "deepseek-r1", "alice", "stop", marks={"end": 1.5}, tokens=7))
    await history.close()


async def _shown(settings: Settings) -> list[dict[str, Any]]:
    """Start a bridge, and return its chats once it shows some."""
    async with running(settings) as bridge:
        headers = {"Authorization": f"Bearer {(settings.config / 'admin_key').read_text('utf-8').strip()}"}
        async with aiohttp.ClientSession(bridge.url, headers=headers) as http, events(http) as stream:
            while not (chats := (await stream.next("state")).get("recent")):
                pass
            async with http.get(f"/admin/api/chats/{chats[0]['id']}") as response:
                assert (await response.json())["answer"] == "hello"
            async with http.get(f"/admin/api/chats/{chats[0]['id']}/record") as response:
                assert (response.status, await response.read() != b"") == (200, True)
            return list(chats)


async def test_chats_of_earlier_starts_are_shown_as_long_as_their_texts_are_kept(tmp_path: Path) -> None:
    config, record = tmp_path / "config", tmp_path / "record"
    await _heard_to_the_end(config, "c-1", "c-2", "c-3")
    history = config / "history"
    (sealed,) = history.glob("*_c-1.age")
    sealed.rename(history / "00000000000001_c-1.age")
    (history / "99999999999998_damaged.age").write_bytes(b"not age at all")
    record.mkdir()
    (record / "c-3-1.sse").write_text("data: {}\n\n", "utf-8")
    settings = Settings(
        config=config,
        profiles=tmp_path / "profiles",
        server=ServerSettings(port=0),
        dashboard=DashboardSettings(history=True),
        browser=BrowserSettings(record=record),
    )
    newest, other = await _shown(settings)
    assert [newest["id"], other["id"], newest["account"], newest["tokens"]] == ["c-3", "c-2", "alice", 7]
    assert [newest["marks"], newest["result"]] == [{"end": 1.5}, "stop"]
    assert [newest["record"], other["record"], newest["trace"]] == [True, False, False], "what is there, no more"


async def test_files_of_others_in_its_folder_neither_stop_the_history_nor_are_touched(tmp_path: Path) -> None:
    history = ChatHistory(folder_in(tmp_path), Identity.generate(), DashboardSettings(history=True, history_chats=1))
    folder = tmp_path / "history"
    folder.mkdir()
    foreign = ("notes.age", "1_c-1.age", "00000000000001-c-1.age", "00000000000001_.age")
    for name in foreign:
        (folder / name).touch()
    (folder / "99999999999999_folder.age").mkdir()
    (folder / "99999999999999_gone.age").symlink_to("nowhere")
    for number in range(3):
        _keep(history, f"c-{number}", "x")
    await history.close()
    left = {path.name for path in folder.iterdir()} - set(foreign)
    kept = {name for name in left if not name.startswith("99999999999999_")}
    assert ([name.partition("_")[2] for name in kept], len(left)) == (["c-2.age"], 3)


# Keys, settings, figures


async def test_keys_are_added_shown_once_and_revoked(served_with_files: Served) -> None:
    async with signed_in(served_with_files) as operator:
        status, made = await operator.answer("POST", "/admin/api/keys", {"name": "laptop", "scope": "chat"})
        assert (status, made["scope"], made["key"][-4:]) == (201, "chat", made["hint"])
        _, listed = await operator.answer("GET", "/admin/api/keys")
        assert {(key["name"], key["scope"]) for key in listed["keys"]} >= {("laptop", "chat")}
        assert made["key"] not in json.dumps(listed)
        auth = {"Authorization": f"Bearer {made['key']}"}
        for method, status in (("GET", 200), ("DELETE", 401)):
            if method == "DELETE":
                assert (await operator.answer("DELETE", f"/admin/api/keys/{made['id']}"))[0] == 200
            async with served_with_files.http.get("/v1/models", headers=auth) as response:
                assert response.status == status
        for body, param in (({"name": ""}, "name"), ({"name": "a", "scope": "root"}, "scope"), ({}, "name")):
            status, answer = await operator.answer("POST", "/admin/api/keys", body)
            assert (status, answer["error"]["param"]) == (400, param)
        assert (await operator.answer("DELETE", "/admin/api/keys/none"))[0] == 404


@pytest.fixture
async def served_with_files() -> AsyncIterator[Served]:
    async with serving(key_files=True) as running:
        yield running


async def test_the_settings_in_force_are_told_with_their_source_and_without_secrets(served: Served) -> None:
    async with signed_in(served) as operator:
        _, answer = await operator.answer("GET", "/admin/api/settings")
        found = {one["name"]: one for one in answer["settings"]}
        assert found["server.port"]["variable"] == "BRIDGE_SERVER_PORT"
        assert (found["server.port"]["value"], found["server.port"]["source"]) == ("8000", "default")
        assert found["profile_key"]["value"] == "empty"
        _, answer = await operator.answer("GET", "/admin/api/sites")
        assert {"name": "deepseek", "title": "DeepSeek", "url": "https://chat.deepseek.com"} in answer["sites"]


async def test_the_checks_of_everything_are_made_when_asked_and_kept(served: Served) -> None:
    async with signed_in(served) as operator:
        assert await operator.answer("GET", "/admin/api/doctor") == (200, None)
        status, made = await operator.answer("POST", "/admin/api/doctor")
        assert (status, made["checks"]) == (200, [{"name": "one", "ok": True, "text": "Well.", "advice": None}])
        assert await operator.answer("GET", "/admin/api/doctor") == (200, made)


async def test_the_site_is_checked_on_the_page_of_one_account_or_of_all_and_what_is_found_is_kept_and_shown(
    served: Served,
) -> None:
    fine = [{"name": "page of bob", "ok": True, "text": "Every control was found.", "advice": None}]
    async with signed_in(served) as operator, events(operator.http) as stream:
        status, made = await operator.answer("POST", "/admin/api/doctor/site", {"account": "bob"})
        assert (status, made["at"], made["checks"], made["checking"]) == (200, None, [], [])
        assert [(one["account"], one["checks"]) for one in made["site"]] == [("bob", fine)]
        await stream.until(lambda state: state["doctor"] == made)
        _, made = await operator.answer("POST", "/admin/api/doctor/site")
        assert sorted(one["account"] for one in made["site"]) == ["alice", "bob"]
        assert await operator.answer("GET", "/admin/api/doctor") == (200, made)
        status, refused = await operator.answer("POST", "/admin/api/doctor/site", {"account": "nobody"})
        assert (status, refused["error"]["code"]) == (404, "account_not_found")
        served.backend.known = ACCOUNTS[:1]
        await stream.until(lambda state: [one["account"] for one in state["doctor"]["site"]] == ["alice"])


async def test_the_figures_of_the_last_hours_are_medians_by_minute(served: Served) -> None:
    for number in range(3):
        facts(served, f"c-{number}", "stop" if number else "site_error")
    async with signed_in(served) as operator:
        _, answer = await operator.answer("GET", "/admin/api/metrics?hours=1")
        assert answer["step"] == 60
        series = answer["series"]
        assert {len(values) for name, values in series.items() if name != "chats"} == {len(answer["times"])}
        assert (series["waiting"][-1], series["first_token"][-1], series["tokens_per_second"][-1]) == (1.0, 2.0, 50.0)
        assert (series["chats"]["stop"][-1], series["chats"]["site_error"][-1]) == (2, 1)
        for wrong in ("0", "25", "nan", "x"):
            assert (await operator.answer("GET", f"/admin/api/metrics?hours={wrong}"))[0] == 400


async def test_the_log_is_searched_by_level_and_text_and_cannot_drive_a_terminal(served: Served) -> None:
    logger.info("An account\x1b[2J is well")
    logger.warning("An account is <script>alert(1)</script>")
    async with signed_in(served) as operator:
        _, answer = await operator.answer("GET", "/admin/api/log?search=ACCOUNT")
        assert [line["text"] for line in answer["log"]] == [
            "An account[2J is well",
            "An account is <script>alert(1)</script>",
        ]
        _, answer = await operator.answer("GET", "/admin/api/log?level=warning&search=account&limit=5")
        assert [line["level"] for line in answer["log"]] == ["WARNING"]
        assert (await operator.answer("GET", "/admin/api/log?level=loud"))[0] == 400


# The description


async def test_every_route_of_the_admin_api_is_described(served: Served) -> None:
    async with served.http.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    routes = {(route.method, route.resource.canonical) for route in served.app.router.routes() if route.resource}
    wanted = {(method, path) for method, path in routes if path.startswith("/admin") and not path.endswith("/")}
    assert len(wanted) >= 30
    for method, path in wanted - {(method, path) for method, path in wanted if method == "HEAD"}:
        described = paths[path][method.lower()]
        assert described["summary"]
        named = {one["name"] for one in described.get("parameters", ())}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


BAD_BODIES: tuple[Any, ...] = (
    [],
    "x",
    7,
    None,
    True,
    {"": 1},
    {"name": []},
    {"name": {"a": "b"}},
    {"to": "\x00"},
    {"key": "\ud800"},
)


async def test_no_bad_body_of_the_admin_api_is_more_than_a_clear_refusal(served_with_files: Served) -> None:
    served = served_with_files
    async with served.http.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    with_body = [
        path
        for path, methods in paths.items()
        if path.startswith("/admin") and methods.get("post", {}).get("requestBody", {}).get("required")
    ]
    assert len(with_body) >= 4
    async with signed_in(served) as operator:
        for path in with_body:
            for body in BAD_BODIES:
                where = path.replace("{name}", "alice")
                async with operator.http.post(
                    where,
                    data=json.dumps(body),
                    headers={"X-CSRF-Token": operator.csrf, "Content-Type": "application/json"},
                ) as response:
                    told = (await response.json())["error"]["message"]
                    assert (response.status < 500, bool(told)) == (True, True), (path, body)
                    assert response.status != 200, (path, body)


# The event stream


async def test_the_state_comes_whole_and_then_what_changes(served: Served) -> None:
    async with signed_in(served) as operator, events(operator.http) as stream:
        state = await stream.next("state")
        happening = {"bridge", "browser", "accounts", "queue", "running", "recent", "drift", "log"}
        assert {*state} == {*happening, "keys", "doctor"}
        assert (state["bridge"]["version"], state["bridge"]["ready"]) == (__version__, True)
        assert [account["name"] for account in state["accounts"]] == ["alice", "bob"]
        served.monitor(ChatQueued("c-1", "deepseek-chat", 1))
        await stream.until(lambda state: [chat["id"] for chat in state["queue"]] == ["c-1"])
        served.monitor(ChatStarted("c-1", "alice"))
        served.monitor(ChatProgress("c-1", "thinking", 7, {"queued": 0.0, "started": 0.1}))
        await stream.until(lambda state: [chat["step"] for chat in state["running"]] == ["thinking"])
        (running,) = stream.state["running"]
        assert (running["account"], running["tokens"], running["marks"]["started"]) == ("alice", 7, 0.1)
        assert stream.state["accounts"][0]["chat"]["tokens"] == 7
        served.monitor(ChatEnded("c-1", "deepseek-chat", "alice", "stop"))
        ended = await stream.next("chat")
        assert (ended["id"], ended["result"]) == ("c-1", "stop")
        await stream.until(lambda state: not state["running"] and state["bridge"]["chats_today"] == 1)
        served.backend.known = (replace(ACCOUNTS[0], is_paused=True), ACCOUNTS[1])
        await stream.until(lambda state: state["accounts"][0]["paused"])
        served.backend.reason = "No account is ready."
        await stream.until(lambda state: state["bridge"]["reason"] == "No account is ready.")
        logger.warning("Something is <b>odd</b>")
        assert (await stream.next("log"))["text"] == "Something is <b>odd</b>"


async def test_the_browser_and_what_a_site_sends_anew_are_shown(served: Served) -> None:
    async with signed_in(served) as operator, events(operator.http) as stream:
        served.monitor(BrowserStarted("156", "/usr/bin/chromium", sandbox=True))
        await stream.until(lambda state: state["browser"]["state"] == "running")
        served.monitor(BrowserLost("Chromium ended"))
        await stream.until(lambda state: [one["reason"] for one in state["browser"]["lost"]] == ["Chromium ended"])
        for _ in range(2):
            served.monitor(DriftSeen("deepseek", "<img src=x onerror=alert(1)>", 2))
        await stream.until(lambda state: bool(state["drift"]) and state["drift"][0]["count"] == 4)
        assert stream.state["drift"][0]["shape"] == "<img src=x onerror=alert(1)>"


async def test_markup_of_a_page_goes_out_as_the_text_of_json_alone(served: Served) -> None:
    served.backend.known = (replace(ACCOUNTS[0], reason="<script>alert(1)</script>"),)
    async with signed_in(served) as operator:
        for path in ("/admin/api/state", "/admin/api/accounts", "/readyz"):
            async with operator.get(path) as response:
                assert response.content_type == "application/json"
                assert "<script>alert(1)</script>" in await response.text()
                if path.startswith("/admin"):
                    assert response.headers["x-content-type-options"] == "nosniff"


async def test_who_reads_too_slowly_gets_the_state_anew_and_never_more_than_a_bounded_rest() -> None:
    async with serving() as served:
        with served.monitor.watcher() as slow, served.monitor.watcher() as other:
            await slow.next(1)
            for number in range(2000):
                served.monitor.feed.put(b"x" * 1000)
                if number % 100 == 0:
                    await other.next(1)
                assert slow.waiting <= 1024 * 1024
            assert b"event: state" in await slow.next(1)
            served.monitor.feed.put(b"next")
            assert await slow.next(1) == b"next"


async def test_one_more_who_watches_takes_the_place_of_who_is_stalled_and_else_is_told_why_not(served: Served) -> None:
    cut: list[int] = []
    async with signed_in(served) as operator:
        with ExitStack() as stack:
            watchers = [
                stack.enter_context(served.monitor.watcher(partial(cut.append, number))) for number in range(32)
            ]
            async with operator.get("/admin/api/events") as response:
                error = (await response.json())["error"]
                assert (response.status, error["code"]) == (429, "too_many_watchers")
                assert "close one" in error["message"]
            assert (cut, any(watcher.is_over for watcher in watchers)) == ([], False)
            watchers[1].asked -= STALLED
            for _ in range(2):
                async with events(operator.http) as stream:
                    assert await stream.next("state")
            assert (cut, [watcher.is_over for watcher in watchers].index(True)) == ([1], 1)


async def test_streams_of_others_who_do_not_read_never_keep_an_operator_out(served: Served) -> None:
    served.monitor.feed.patience = 0
    async with signed_in(served) as operator, AsyncExitStack() as stack:
        for _ in range(40):
            response = await stack.enter_async_context(operator.http.get("/admin/api/events"))
            assert response.status == 200
        async with events(operator.http) as stream:
            assert await stream.next("state")


async def test_an_open_dashboard_does_not_hold_up_the_end_of_the_bridge() -> None:
    async with AsyncExitStack() as stack:
        async with serving() as served:
            operator = await stack.enter_async_context(signed_in(served))
            response = await stack.enter_async_context(operator.http.get("/admin/api/events"))
            assert response.status == 200
            began = time.monotonic()
        assert time.monotonic() - began < CLOSE_LIMIT


async def test_no_answer_of_the_admin_api_holds_a_key_a_cookie_or_a_token(served_with_files: Served) -> None:
    served, found = served_with_files, []
    async with signed_in(served) as operator:
        secrets = [KEY, ADMIN_KEY, *(cookie.value for cookie in operator.http.cookie_jar)]
        for route in served.app.router.routes():
            assert route.resource is not None
            path = route.resource.canonical.replace("{name}", "alice").replace("{id}", "c-1")
            if path.startswith("/admin") and route.method == "GET" and "events" not in path:
                async with operator.get(path) as response:
                    found.append(await response.text())
    assert len(found) >= 15
    assert [secret for secret in secrets for text in found if secret in text] == []


@pytest.mark.slow
def test_a_monitor_stays_small_whatever_happens(tmp_path: Path) -> None:
    monitor = Monitor(Settings(config=tmp_path))
    for number in range(20_000):
        monitor(ChatQueued(f"q-{number}", "m", 1))
        monitor(ChatStarted(f"q-{number}", "alice"))
        if number % 2:
            monitor(ChatEnded(f"q-{number}", "m", "alice", f"result-{number}", "x" * 50, {"end": 1.0}))
        monitor(DriftSeen("deepseek", f"shape-{number}", 1))
        monitor(BrowserLost("again"))
    state = monitor.state()
    assert len(state["recent"]) == 100
    assert len(state["drift"]) <= 100
    assert len(state["browser"]["lost"]) <= 20
    assert len(state["running"]) <= 2000
    results = monitor.charts.series(24)["series"]["chats"].values()
    assert max(sum(count is not None for count in minute) for minute in zip(*results, strict=True)) == 20
