"""Logins at rest: nothing but the encrypted file holds one, and that file opens with its key alone, on any machine."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import shutil
import signal
import zipfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import psutil
import pytest

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.errors import SetupError
from bridge.storage.api_keys import KeyStore
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import WorkerState
from bridge.worker.trace_redaction import redact, stored
from tests.support.commands import Home, Running
from tests.support.live import QUICK_SITE, directive, served, settings_for, signed_in_profile
from tests.support.searching import contents, files, leaks
from tests.support.waiting import LIMIT, until

PASSWORD = "corréct horse+battery/staple"


@pytest.mark.browser
@pytest.mark.timeout(300)
async def test_no_file_and_no_answer_holds_the_login_but_the_encrypted_one(tmp_path: Path) -> None:
    async with DemoSite(QUICK_SITE) as site:
        account = site.account("alice")
        account.password = PASSWORD
        with Home.at(tmp_path) as home:
            words = ("login", "mine", "--form", "--url", site.url, "--user", account.email)
            login = await home.run(*words, BRIDGE_PASSWORD=PASSWORD)
            assert login.code == 0, login.err
            said = [("login", (login.out + login.err).encode())]
            options = ("--trace", "traces", "--record", "streams", "--log-level", "DEBUG")
            async with home.overheard("serve", *options, BRIDGE_BROWSER_RECORD_PROMPTS="true") as bridge:
                shown = await bridge.shows("account mine is ready")
                url = re.search(r"http://127\.0\.0\.1:\d+", shown)
                assert url
                await chat(home, url[0])
                renderer = next(one for one in children(bridge) if "--type=renderer" in one.cmdline())
                renderer.kill()
                shown += await bridge.shows("account mine is broken") + await bridge.shows("account mine is ready")
                await chat(home, url[0])
                async with admin(url[0], home) as ask:
                    await ask("POST", "/admin/api/accounts/mine/bundle")
                    said += await everything(ask)
                secrets = [PASSWORD, *account.tokens, *account.cookies]
                assert leaks(secrets, files(home.folder, home.temporary)) == []
                bridge.process.send_signal(signal.SIGTERM)
                shown += (await bridge.output.read()).decode()
                await bridge.process.wait()
            said.append(("log", shown.encode()))
            assert leaks(secrets, said) == []
            assert leaks(secrets, files(home.folder, home.temporary)) == []
            traces = [(name, data) for name, data in files(tmp_path / "traces")]
            assert any(b"/api/v0/chat/completion" in data for one in traces for _, data in contents(*one))


def children(bridge: Running) -> list[psutil.Process]:
    return psutil.Process(bridge.process.pid).children(recursive=True)


async def chat(home: Home, url: str) -> None:
    answer = await home.run("chat", "--url", url, stdin=directive(text="An answer."))
    assert (answer.code, answer.out) == (0, "An answer.\n"), answer.err


Ask = Callable[[str, str], Any]


@asynccontextmanager
async def admin(url: str, home: Home) -> AsyncGenerator[Ask]:
    """Ask the running bridge as its operator does; what comes is status and body."""
    key = await asyncio.to_thread(KeyStore(home.settings.config).local.keys)
    async with aiohttp.ClientSession(url, headers={"authorization": f"Bearer {key[0]}"}) as http:

        async def ask(method: str, path: str) -> tuple[int, bytes]:
            body: dict[str, str] | None = {} if method == "POST" else None
            async with asyncio.timeout(LIMIT), http.request(method, path, json=body) as answer:
                if answer.content_type == "text/event-stream":
                    return answer.status, await answer.content.readuntil(b"\n\n")
                return answer.status, await answer.read()

        yield ask


async def everything(ask: Ask) -> list[tuple[str, bytes]]:
    """Return what the admin API answers to every GET that it has, and the dashboard's pages."""
    paths = json.loads((await ask("GET", "/openapi.json"))[1])["paths"]
    chats: list[dict[str, Any]] = []

    async def have_ended() -> bool:  # a client has its answer a moment before its chat is listed
        chats[:] = json.loads((await ask("GET", "/admin/api/chats"))[1])["chats"]
        return len(chats) == 2

    await until(have_ended)
    said = list[tuple[str, bytes]]()
    for path, operations in {"/dashboard": {"get": {}}, "/readyz": {"get": {}}, **paths}.items():
        if "get" not in operations or not path.startswith(("/admin/", "/dashboard", "/readyz")):
            continue
        for one in chats if "{id}" in path else chats[:1]:
            place = path.replace("{name}", "mine").replace("{id}", one["id"])
            status, body = await ask("GET", place)
            said.append((place, body))
            assert status in (200, 404, 401, 400), place  # 400: what wants a WebSocket
    downloads = [place for place, body in said if body.startswith(b"PK")]
    assert {place.rpartition("/")[2] for place in downloads} >= {"trace", "record"}
    return said


@pytest.mark.browser
async def test_a_profile_that_moved_to_another_machine_with_its_key_works_there(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with DemoSite(QUICK_SITE) as site:
        here = settings_for(tmp_path / "here")
        ProfileStore(here.profiles, load_identity(here.key_source)).save(signed_in_profile(site, "alice"))
        there = settings_for(tmp_path / "there")
        there.profiles.mkdir(parents=True)
        there.config.mkdir(mode=0o700)
        shutil.copy(here.profiles / "alice.age", there.profiles)
        shutil.copy(here.config / "profile.key", there.config)
        sessions = len(site.account("alice").tokens)
        async with served(tmp_path / "there", site, chromium, own=("alice",)) as run:
            assert await run.ask(directive(text="moved")) == "moved"
        assert len(site.account("alice").tokens) == sessions, "nobody signed in anew"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.browser
async def test_profiles_without_their_key_or_with_a_byte_changed_are_refused_and_the_others_run_on(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with DemoSite(QUICK_SITE) as site:
        elsewhere, here = settings_for(tmp_path / "elsewhere"), settings_for(tmp_path / "here")
        ProfileStore(elsewhere.profiles, load_identity(elsewhere.key_source)).save(signed_in_profile(site, "alice"))
        store = ProfileStore(here.profiles, load_identity(here.key_source))
        for name in ("bob", "changed"):
            store.save(signed_in_profile(site, "bob").model_copy(update={"name": name}))
        shutil.copy(elsewhere.profiles / "alice.age", here.profiles)
        flip(store.path("changed"))
        for name in ("alice", "changed"):
            with pytest.raises(SetupError, match="it is damaged, or it was saved with another key"):
                store.load(name)
        async with served(tmp_path / "here", site, chromium, own=("bob",)) as run:
            assert await run.ask(directive(text="on")) == "on"
            ready = {one.name for one in run.bridge.pool.accounts() if one.state is WorkerState.READY}
            assert ready == {"bob"}


@pytest.mark.parametrize("before", range(3))
def test_the_search_finds_a_secret_in_every_form(tmp_path: Path, before: int) -> None:
    secret = "s3cret-ü/+=&"
    raw = b"x" * before + secret.encode() + b"y" * before
    forms = [raw, base64.b64encode(raw), base64.urlsafe_b64encode(raw), gzip.compress(raw), raw.hex().encode()]
    forms += [secret.encode("utf-16-le"), quote(secret, safe="").encode()]
    for number, form in enumerate(forms):
        (tmp_path / f"{number}").write_bytes(form)
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner", form)
    assert len(leaks([secret], files(tmp_path))) == 2 * len(forms)
    assert leaks(["another-secret"], files(tmp_path)) == []


def test_a_trace_loses_what_signs_in_and_nothing_else(tmp_path: Path) -> None:
    headers = [
        {"name": "Authorization", "value": "Bearer abcdefgh12345678"},
        {"name": "x-other", "value": "kept-as-it-is"},
    ]
    line = json.dumps({"snapshot": {"request": {"headers": headers}, "response": {"headers": []}}})
    work = tmp_path / "work"
    work.mkdir()
    for name, content in (("with", b"abcdefgh12345678"), ("without", b"nothing")):
        (work / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        archive.writestr("trace.network", f"{line}\nnot JSON\n[]\n")
        archive.writestr("resources/a.json", '{"token": "abcdefgh12345678", "cookie": "stored-value-1"}')
    state = {
        "cookies": [{"value": "stored-value-1"}],
        "origins": [{"localStorage": [{"value": '{"deep": ["stored-value-2", "short"]}'}]}],
    }
    assert stored(state) >= {"stored-value-1", "stored-value-2"}
    redact(tmp_path / "raw.zip", tmp_path / "clean.zip", stored(state), work)
    with zipfile.ZipFile(tmp_path / "clean.zip") as archive:
        assert archive.read("resources/a.json") == b'{"token": "[removed]", "cookie": "[removed]"}'
        assert archive.read("trace.network").replace(b"[removed]", b"abcdefgh12345678").startswith(line.encode())
    assert [path.name for path in work.iterdir()] == ["without"]
