"""The operator's commands, as processes of their own in front of a served endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from bridge.demo import DemoSite
from bridge.durations import DAY
from bridge.monitor.event_feed import MOST_WATCHERS
from bridge.storage.api_keys import KeyStore
from bridge.storage.profile_key import Identity, load_identity
from bridge.storage.profiles import ProfileStore
from bridge.storage.usage_file import ChatUsage, UsageFile, usage_path
from bridge.telemetry import ChatQueued, ChatStarted
from tests.api.admin.test_admin import ACCOUNTS
from tests.support.command_server import ROOT
from tests.support.commands import Home
from tests.support.fake_backend import ADMIN_KEY, Served, serving
from tests.support.live import QUICK_SITE, signed_in_profile
from tests.support.stress import stress

STYLE = re.compile(r"\x1b\[[\d;]*m")
KEY = re.compile(r"sk-bridge-[\w-]{43}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(monitored=True) as running:
        running.backend.known = ACCOUNTS
        yield running


def at(served: Served) -> tuple[str, ...]:
    return "--url", f"http://127.0.0.1:{served.port}", "--key", ADMIN_KEY


async def test_status_is_printed_once_where_there_is_no_terminal(home: Home, served: Served) -> None:
    served.monitor(ChatQueued("chat-1", "deepseek-r1", 1))
    served.monitor(ChatStarted("chat-1", "alice"))
    served.monitor(ChatQueued("chat-2", "deepseek-chat", 1))
    status = await home.run("status", *at(served))
    assert status.code == 0, status.err
    for shown in ("alice", "bob", "challenged", "[red]Are you human?", "chat-1", "deepseek-r1", "waiting"):
        assert shown in status.out
    state = json.loads((await home.run("status", "--json", *at(served))).out)
    assert [account["name"] for account in state["accounts"]] == ["alice", "bob"]
    assert [chat["id"] for chat in state["running"] + state["queue"]] == ["chat-1", "chat-2"]


async def test_at_a_terminal_the_status_follows_what_happens_and_obeys_no_text(home: Home, served: Served) -> None:
    async with home.at_terminal("status", *at(served), COLUMNS="200") as status:
        await status.shows("alice")
        hostile = replace(ACCOUNTS[1], name="carol", reason="\x1b]0;owned\x07 \x1b[2Jgone")
        served.backend.known = [*ACCOUNTS, hostile]
        served.monitor(ChatQueued("chat-9", "deepseek-r1", 1))
        shown = await status.shows("chat-9")
        assert "carol" in shown
        assert "\x1b]0;" not in shown
        assert "\x1b[2Jgone" not in shown
        assert await status.ends(signal.SIGINT) == 130


@pytest.mark.parametrize(("columns", "lines", "shown"), [(20, 3, 1), *stress((40, 5, 3), (100, 4, 2))])
async def test_a_small_terminal_shows_what_needs_attention_first_and_how_much_more_there_is(
    home: Home, served: Served, columns: int, lines: int, shown: int
) -> None:
    well = [replace(ACCOUNTS[0], name=f"well-{number}", is_busy=False) for number in range(9)]
    served.backend.known = [*well, ACCOUNTS[1]]
    served.monitor(ChatQueued("chat-1", "deepseek-r1", 1))
    async with home.at_terminal("status", *at(served), COLUMNS=str(columns), LINES=str(lines)) as status:
        rows = STYLE.sub("", await status.shows(f"… {11 - shown} more")).splitlines()[1:-1]
        await status.ends(signal.SIGINT)
    begins = ["bob  challenged", "chat-1  waiting", "well-0  ready"][:shown]
    assert [row.startswith(begin) for row, begin in zip(rows, begins, strict=True)] == [True] * shown, rows


async def test_status_says_when_the_bridge_is_gone_and_when_there_is_none(home: Home) -> None:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(monitored=True))
        served.backend.known = ACCOUNTS
        where = at(served)
        refused = await home.run("status", *where[:3], "sk-bridge-wrong")
        assert (refused.code, refused.out) == (1, "")
        async with home.at_terminal("status", *where) as status:
            await status.shows("alice")
            served.monitor.drain()
            await stack.aclose()
            await status.shows("Lost the connection")
    absent = await home.run("status", *where)
    assert (absent.code, "bridge serve" in absent.err) == (1, True)


async def test_status_says_why_it_is_refused_and_goes_on_when_a_place_is_free(home: Home, served: Served) -> None:
    served.monitor.feed.patience = 1000.0  # none of the others has to make room
    async with AsyncExitStack() as others:
        for _ in range(MOST_WATCHERS):
            others.enter_context(served.monitor.watcher())
        async with home.at_terminal("status", *at(served), COLUMNS="200") as status:
            shown = await status.shows("close one of them. Trying again.")
            assert "Lost the connection" not in shown
            await others.aclose()
            served.monitor(ChatQueued("chat-9", "deepseek-r1", 1))
            assert "close one of them" not in (await status.shows("chat-9")).rpartition("bridge ")[2]
            assert await status.ends(signal.SIGINT) == 130


async def test_each_command_does_with_an_account_what_it_says(home: Home, served: Served) -> None:
    wanted = {
        ("pause", "alice"): ("pause alice", "no new chats"),
        ("resume", "alice"): ("resume alice", "alice is ready"),
        ("reopen", "bob"): ("reopen bob", "bob"),
        ("rename", "alice", "al"): ("rename to al: alice", "alice is now called al"),
        ("remove", "bob", "--yes"): ("remove bob", "bob was removed"),
    }
    for words, (done, said) in wanted.items():
        ended = await home.run("accounts", *words, *at(served))
        assert (ended.code, said in ended.out) == (0, True), ended.out + ended.err
        assert served.backend.done[-1] == done
    for words in (("remove", "al"), ("pause", "bob"), ("rename", "bob", "x")):
        refused = await home.run("accounts", *words, *at(served))
        assert (refused.code, refused.out.replace("Close the account al and delete its profile? (y/n) ", "")) == (1, "")
    assert [account.name for account in served.backend.known] == ["al"]


async def test_the_link_to_the_dashboard_signs_in_once(home: Home, served: Served) -> None:
    printed = await home.run("dashboard", *at(served))
    link = re.fullmatch(rf"http://127\.0\.0\.1:{served.port}/dashboard#sign-in=([\w-]+)\n", printed.out)
    assert link, printed.err
    async with aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as http:
        for status in (200, 401):
            async with http.post("/admin/api/session", json={"token": link[1]}) as response:
                assert response.status == status
    opened = await home.run("dashboard", "--open", *at(served), DISPLAY="", WAYLAND_DISPLAY="")
    assert (opened.code, "no screen" in opened.err) == (1, True)


async def test_keys_are_added_listed_and_revoked_by_name(home: Home) -> None:
    plain = (await home.run("keys")).out.strip()
    added = await home.run("keys", "add", "laptop of [red]Eve", "--scope", "admin")
    assert KEY.fullmatch(added.out.strip()), added.err
    listed = (await home.run("keys", "list")).out
    assert "laptop of [red]Eve" in listed
    assert added.out.strip() not in listed
    assert plain not in listed
    store = KeyStore(home.settings.config)
    (made,) = [key for key in store.all() if key.name.startswith("laptop")]
    assert made.scope == "admin"
    assert (await home.run("keys", "revoke", made.id)).code == 0
    assert "laptop" not in (await home.run("keys", "list")).out
    assert (await home.run("keys")).out.strip() == plain, "a named key is shown once"
    for words, named in (
        (("revoke", made.id), "no key"),
        (("add", "x", "--scope", "root"), "chat, admin"),
        (("add", " "), "name"),
    ):
        refused = await home.run("keys", *words)
        assert (refused.code, named in refused.err) == (1, True), refused.err


async def test_the_limits_of_a_key_are_set_changed_and_listed(home: Home) -> None:
    limits = ("--requests-per-minute", "10", "--tokens-per-day", "100000", "--parallel", "2", "--share", "3")
    names = ("--models", "deepseek, deepseek-chat", "--accounts", "alice", "--expires", "2099-01-31")
    added = await home.run("keys", "add", "ci", *limits, *names)
    assert KEY.fullmatch(added.out.strip()), added.err
    listed = (await home.run("keys", "list")).out
    for shown in ("2099-01-31T00:00:00Z", "models deepseek deepseek-chat", "requests per minute 10"):
        assert shown in listed
    store = KeyStore(home.settings.config)
    (key,) = [key for key in store.all() if key.name == "ci"]
    changed = await home.run("keys", "limit", key.id, "--parallel", "none", "--models", "none", "--expires", "7d")
    assert changed.code == 0, changed.err
    (key,) = [key for key in store.all() if key.name == "ci"]
    assert (key.limits.parallel, key.limits.models, key.limits.tokens_per_day) == (None, (), 100_000)
    assert key.limits.expires is not None
    assert 6 < (key.limits.expires - datetime.now(UTC)).days + 1 <= 7
    for words, named in (
        (("limit", key.id), "at least one limit"),
        (("limit", key.id, "--parallel", "many"), "--parallel"),
        (("limit", key.id, "--expires", "tomorrow"), "--expires"),
        (("limit", key.id, "--share", "1000"), "share"),
        (("limit", "nobody", "--parallel", "1"), "no key"),
        (("add", "x", "--tokens-per-day", "0"), "tokens_per_day"),
    ):
        refused = await home.run("keys", *words)
        assert (refused.code, named in refused.err) == (1, True), refused.err


async def test_usage_is_shown_as_a_table_as_json_and_as_csv(home: Home) -> None:
    assert "No chat was recorded" in (await home.run("usage")).out
    file, now = UsageFile(usage_path(home.settings.config), 400), time.time()
    file.add(ChatUsage(now, "k1", "laptop of [red]Eve", "deepseek", "alice", 1200, 300))
    file.add(ChatUsage(now - 40 * DAY, "k1", "laptop of [red]Eve", "deepseek", "alice", 1, 1))
    file.add(ChatUsage(now, "", "", "deepseek-think", "", 7, 0, is_failed=True))
    file.close()
    table = (await home.run("usage", "--by", "key,account")).out.splitlines()
    assert table[0].split() == [
        "Key",
        "Account",
        "Chats",
        "Failed",
        "Prompt",
        "tokens",
        "Completion",
        "tokens",
        "Tokens",
    ]
    assert table[1].split() == ["laptop", "of", "[red]Eve", "alice", "1", "0", "1,200", "300", "1,500"]
    assert table[2].split() == ["(no", "key)", "-", "1", "1", "7", "0", "7"]
    rows = json.loads((await home.run("usage", "--json", "--since", "60d")).out)
    assert [(row["key"], row["chats"], row["tokens"]) for row in rows] == [("k1", 2, 1502), ("", 1, 7)]
    printed = await home.run("usage", "--csv", "--by", "model")
    assert printed.out.splitlines()[:2] == [
        "model,chats,failed,prompt_tokens,completion_tokens,tokens",
        "deepseek,1,0,1200,300,1500",
    ]
    for words, named in ((("--since", "yesterday"), "--since"), (("--by", "colour"), "key, model, account")):
        refused = await home.run("usage", *words)
        assert (refused.code, named in refused.err) == (1, True), refused.err


async def test_settings_and_secrets_may_stand_in_a_file_below_the_environment(home: Home) -> None:
    file = home.folder / ".env"
    file.write_text("BRIDGE_SERVER_HOST=0.0.0.0\nBRIDGE_SERVER_NO_AUTH=1\nOTHER=1\nBRIDGE_TOKEN=${HOME} x\n", "utf-8")
    refused = await home.run("serve")
    assert "no_auth needs a loopback address" in refused.err
    stands = await home.run("serve", BRIDGE_SERVER_HOST="300.300.300.300")
    assert "300.300.300.300" in stands.err, "the environment counts more"
    file.write_text("BRIDGE_SERVER_PROT=1\n", "utf-8")
    assert "BRIDGE_SERVER_PROT" in (await home.run("keys")).err
    file.write_bytes(b"\xff\xfe\x00")
    assert ".env" in (await home.run("keys")).err


@pytest.mark.timeout(240)
async def test_logins_from_elsewhere_are_taken_in_and_no_secret_is_shown(home: Home) -> None:
    elsewhere = ProfileStore(home.folder / "elsewhere", Identity.generate())
    key_file = home.folder / "other.key"
    key_file.write_text(elsewhere.identity.export(), "utf-8")
    key_file.chmod(0o600)
    async with DemoSite(QUICK_SITE) as site:
        elsewhere.save(signed_in_profile(site, "alice"))
        account = site.account("alice")
        (home.folder / "state.json").write_text(json.dumps(account.storage_state()), "utf-8")
        (home.folder / ".env").write_text(f"BRIDGE_TOKEN={account.token}\n", "utf-8")
        sealed = str(elsewhere.path("alice"))
        taken = [
            await home.run("login", "t", "--token", "--url", site.url),
            await home.run("profiles", "import", sealed, "--key-file", str(key_file), "--name", "again"),
        ]
        home.log_in(site)
        assert [ended.code for ended in taken] == [0] * 2, [ended.err for ended in taken]
        refused = [
            await home.run("profiles", "import", sealed, "--name", "b"),
            await home.run("profiles", "import", sealed, "--key-file", str(key_file)),
            await home.run("profiles", "import", "nowhere.age"),
            await home.run("login", "b", "--import", "other.key", "--url", site.url),
            await home.run("login", "b", "--token", "--form"),
            await home.run("login", "b", "--import", "state.json", "--url", "http://other.example"),
        ]
        (home.folder / ".env").unlink()
        refused.append(await home.run("login", "b", "--token", "--url", site.url))
        assert [ended.code for ended in refused] == [1] * 7
        errors = [ended.err for ended in refused]
        assert "There is a profile alice already" in errors[1], "the name is in the file"
        assert "holds nothing of" in errors[5], "it was read"
        assert all(re.search(r"^Error: .+\n\Z", error, re.MULTILINE) for error in errors), errors
        shown = "".join(ended.out + ended.err for ended in (*taken, *refused))
        for secret in (account.token, *account.cookies, *elsewhere.identity.export().split()[4:]):
            assert secret not in shown
    settings = home.settings
    assert ProfileStore(settings.profiles, load_identity(settings.key_source)).names() == ["again", "alice", "t"]


@pytest.mark.parametrize("name", ["..", "", *stress(".", "a/b")])
async def test_what_is_no_name_is_said_to_be_none(home: Home, served: Served, name: str) -> None:
    paused = await home.run("accounts", "pause", name, *at(served))
    assert (paused.code, f"{name!r} is not a valid profile name" in paused.err) == (1, True), paused.err


@pytest.mark.parametrize(
    "words", [("status",), ("version",), ("--help",), *stress((("accounts", "list"),), (("status", "--json"),))]
)
async def test_output_that_nobody_takes_ends_in_one_line(home: Home, served: Served, words: tuple[str, ...]) -> None:
    where = at(served) if words[0] in ("accounts", "status") else ()
    command = shlex.join((sys.executable, "-m", "bridge", *words, *where))
    process = await asyncio.create_subprocess_shell(
        f"{command} >/dev/full",
        stderr=asyncio.subprocess.PIPE,
        cwd=home.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (1, "Error: Cannot write the output: No space left on device.\n")
