"""The command line, as a person at a terminal or a script meets it."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from bridge.cli.local_login import ask
from bridge.demo import DemoSite
from bridge.settings_sources import describe
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from tests.support.commands import COMMAND_LIMIT, Home, Running, variables_of
from tests.support.live import QUICK_SITE, directive
from tests.support.stress import stress

KEY = re.compile(r"sk-bridge-[\w-]{43}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


@pytest.fixture
async def site() -> AsyncGenerator[DemoSite]:
    async with DemoSite(QUICK_SITE) as running:
        yield running


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(COMMAND_LIMIT):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def output_of_program(program: str) -> str:
    """Run a program in this process, whose SDK is loaded already."""
    shown, names = io.StringIO(), dict[str, Any]()
    with redirect_stdout(shown):
        await asyncio.to_thread(exec, program, names)
    names["client"].close()
    return shown.getvalue()


@pytest.mark.parametrize("site", [pytest.param("kimi", marks=pytest.mark.sites), *stress("deepseek")])
async def test_the_demo_shows_a_whole_chat_and_ends_with_nothing_left_behind(home: Home, site: str) -> None:
    demo = await home.run("demo", "--once", "--site", site)
    assert demo.code == 0, demo.err
    shows_a_whole_chat(demo.out)
    assert demo.err == ""
    leaves_nothing(home)


def shows_a_whole_chat(shown: str) -> None:
    assert "You wrote: **Hello!" in shown
    assert re.search(r"First token after \d+\.\d\d s.* account (alice|bob)", shown)


def leaves_nothing(home: Home) -> None:
    """Fail where processes, temporary files or keys of a demo are left."""
    assert home.left_running() == []
    assert list(home.temporary.iterdir()) == []
    assert not (home.folder / "config").exists()


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Ignore Ctrl-C as a shell does for a command with `&`, so that what is started ignores it, too."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@asynccontextmanager
async def in_background(home: Home, *words: str, **more: str) -> AsyncGenerator[Running]:
    """Start a command where Ctrl-C is ignored; its log stands in its output."""
    async with AsyncExitStack() as stack:
        with ctrl_c_ignored():
            command = await stack.enter_async_context(home.overheard(*words, **more))
        yield command


@pytest.mark.parametrize("is_ignored", [True, *stress(False)])
async def test_what_the_demo_prints_can_be_pasted_and_works_until_it_is_told_to_end(
    home: Home, is_ignored: bool
) -> None:
    async with in_background(home, "demo") if is_ignored else home.started("demo") as demo:
        shown = await demo.shows("Ctrl-C")
        shows_a_whole_chat(shown)
        program = shown[shown.index("from openai") : shown.index("Ctrl-C")]
        if is_ignored:
            demo.process.send_signal(signal.SIGINT)
        assert "You wrote: **Hello!**" in await output_of_program(program)
        if shutil.which("curl"):
            command = re.search(r"^curl .*$", shown, re.MULTILINE)
            assert command
            assert "data: [DONE]" in await output_of("sh", "-c", command[0])
        assert await demo.ends(signal.SIGTERM if is_ignored else signal.SIGINT) == 0
    leaves_nothing(home)


@pytest.mark.parametrize("words", [*stress("serve", "demo")])
async def test_a_client_is_told_that_the_bridge_stops_also_where_that_runs_in_the_background(
    home: Home, site: DemoSite, words: str
) -> None:
    home.log_in(site)
    async with in_background(home, words, BRIDGE_SERVER_DRAIN="0.1") as command:
        shown = await command.shows("Ctrl-C" if words == "demo" else "Accounts   alice\n")
        url = re.search(r"http://127\.0\.0\.1:\d+", shown[shown.find("Base URL") + 1 :])
        key = KEY.search(shown) or KEY.search((home.folder / "config" / "api_keys").read_text())
        assert url
        assert key
        async with chat_at(url[0], key[0], directive(tokens=5000, rate=20)) as answer:
            got = await read_until(answer, b"word1 ")
            command.process.send_signal(signal.SIGTERM)
            await ends_with_an_error(answer, got)
        async with asyncio.timeout(COMMAND_LIMIT):
            assert await command.process.wait() == 0
    assert home.left_running() == []


async def ends_with_an_error(answer: aiohttp.ClientResponse, got: bytes) -> None:
    async for data in answer.content.iter_any():
        got += data
    assert b"The bridge is stopping." in got


@asynccontextmanager
async def chat_at(url: str, key: str, prompt: str) -> AsyncGenerator[aiohttp.ClientResponse]:
    body = {"model": "deepseek-chat", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    headers, limits = {"authorization": f"Bearer {key}"}, aiohttp.ClientTimeout(total=COMMAND_LIMIT)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=limits) as session,
        session.post(f"{url}/v1/chat/completions", json=body) as response,
    ):
        yield response


async def read_until(answer: aiohttp.ClientResponse, text: bytes) -> bytes:
    got = b""
    while text not in got:
        data = await answer.content.readany()
        assert data, got
        got += data
    return got


async def test_a_login_by_the_form_is_kept_and_shown_without_its_secrets(home: Home, site: DemoSite) -> None:
    words = ("login", "mine", "--form", "--url", site.url, "--user", "alice@example.com")
    login = await home.run(*words, BRIDGE_PASSWORD="demo-alice")
    assert (login.code, "mine" in login.out) == (0, True), login.err

    listed, shown = await home.run("profiles", "list"), await home.run("profiles", "show", "mine")
    assert re.search(rf"mine +deepseek +{site.url} +just now", listed.out)
    assert "ds_session_id" in shown.out
    assert "userToken" in shown.out
    account = site.account("alice")
    for secret in (account.token, *account.cookies, account.password):
        assert secret not in login.out + login.err + listed.out + shown.out

    other = await home.run(
        "login", "mine", "--form", "--url", "http://other.example", "--user", "x", BRIDGE_PASSWORD="x"
    )
    assert (other.code, f"belongs to {site.url};" in other.err) == (1, True)


async def test_a_running_bridge_is_chatted_with_and_no_child_process_gets_a_secret_of_the_operators_environment(
    home: Home, site: DemoSite
) -> None:
    home.log_in(site)
    key_file = home.folder / "config" / "profile.key"
    key = key_file.read_text().strip().splitlines()[-1]
    key_file.unlink()
    secrets = {"BRIDGE_PROFILE_KEY": key, "CLOUD_PASSWORD": "of-another-service"}
    async with in_background(home, "serve", BRIDGE_SERVER_DRAIN="1000", **secrets) as bridge:
        shown = await bridge.shows("Accounts   alice\n")
        url = re.search(r"http://127\.0\.0\.1:\d+", shown)
        assert url
        assert not KEY.search(shown), "no key belongs into a journal"
        assert "`bridge keys` prints it" in shown
        await chatted_with(home, url[0])
        shows_no_secret(psutil.Process(bridge.process.pid).children(recursive=True), key)
        await a_second_signal_ends_a_stream_with_an_error(home, bridge, url[0])
    assert home.left_running() == []


async def a_second_signal_ends_a_stream_with_an_error(home: Home, bridge: Running, url: str) -> None:
    """Stop a bridge twice, in the middle of a chat, which it neither cuts nor waits for."""
    key = KEY.search((home.folder / "config" / "api_keys").read_text())
    assert key
    async with chat_at(url, key[0], directive(tokens=5000, rate=20)) as answer:
        got = await read_until(answer, b"word1 ")
        bridge.process.send_signal(signal.SIGTERM)
        await bridge.shows("Stopping")
        bridge.process.send_signal(signal.SIGTERM)
        await ends_with_an_error(answer, got)
    async with asyncio.timeout(COMMAND_LIMIT):
        assert await bridge.process.wait() == 0


async def chatted_with(home: Home, url: str) -> None:
    piped = await home.run("chat", "--url", url, stdin=directive(text="Good day\tto you."))
    assert (piped.code, piped.out) == (0, "Good day\tto you.\n"), piped.err
    thought = await home.run("chat", directive(thinking="Hm", text="Ah"), "--model", "deepseek-r1", "--url", url)
    assert (thought.code, thought.out) == (0, "Ah\n"), thought.err
    refused = await home.run("chat", "Hello", "--model", "other", "--url", url)
    assert (refused.code, refused.out) == (1, "")
    assert "The model 'other' does not exist." in refused.err


def shows_no_secret(processes: Sequence[psutil.Process], key: str) -> None:
    children = {child.pid: variables_of(child) for child in processes}
    assert len(children) > 3
    assert [pid for pid, variables in children.items() if key in variables.values()] == []
    browser = [variables for variables in children.values() if "PW_LANG_NAME" not in variables and variables]
    assert browser
    assert not any("CLOUD_PASSWORD" in variables for variables in browser)
    assert any(variables.get("HOME") for variables in browser), "it keeps what it needs"


async def test_a_person_without_a_running_bridge_chats_all_the_same_and_ctrl_c_stops_an_answer(
    home: Home, site: DemoSite
) -> None:
    home.log_in(site)
    async with home.at_terminal("chat") as chat:
        await chat.shows("› ")
        chat.types(directive(tokens=3, thinking="unasked"))
        await chat.shows("word0 word1 word2")
        await chat.shows("› ")
        chat.types("/model other")
        await chat.shows("does not exist")
        await chat.shows("› ")
        chat.types("/model deepseek-r1")
        await chat.shows("› ")
        chat.types("/new")
        await chat.shows("› ")
        chat.types(directive(tokens=5000, rate=50, thinking="Hm"))
        assert "Hm" in await chat.shows("word3 ")
        chat.process.send_signal(signal.SIGINT)
        await chat.shows("[stopped]")
        await site.account("alice").wait_for(lambda account: account.turns[-1].outcome == "stopped", COMMAND_LIMIT)
        await chat.shows("› ")
        assert await chat.ends(signal.SIGINT) == 130
    assert home.left_running() == []


async def test_without_a_login_the_bridge_serves_and_says_how_to_get_one(home: Home) -> None:
    async with home.started("serve") as bridge:
        assert not KEY.search(await bridge.shows("bridge login NAME"))
        assert home.left_running(), "one that is left behind would be found"
        assert await bridge.ends(signal.SIGINT) == 0
    async with home.at_terminal("serve") as bridge:
        assert KEY.search(await bridge.shows("bridge login NAME")), "a person is shown the key"
        assert await bridge.ends(signal.SIGINT) == 0
    chat = await home.run("chat", "Hello")
    assert (chat.code, chat.out) == (1, "")
    assert "bridge login NAME" in chat.err


async def test_a_taken_port_is_one_line_and_not_a_traceback(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        serve = await home.run("serve", "--port", port, "--log-level", "warning")
    assert (serve.code, serve.out) == (1, "")
    assert re.search(rf"^Error: Port {port} .*\n\Z", serve.err, re.MULTILINE)
    assert "Traceback" not in serve.err


@pytest.mark.parametrize(
    ("words", "variables", "named"),
    [
        (("keys",), {"BRIDGE_SERVER_PROT": "1"}, "BRIDGE_SERVER_PROT"),
        (("serve", "--port", "66000"), {}, "server.port"),
        (("serve", "--host", "0.0.0.0", "--no-auth"), {}, "no_auth"),
        (("--config", "missing.toml", "serve"), {}, "missing.toml"),
        (("login", "alice", "--form"), {}, "BRIDGE_PASSWORD"),
        (("debug", "alice"), {"DISPLAY": "", "WAYLAND_DISPLAY": ""}, "this machine has no screen"),
        (("profiles", "show", "alice"), {}, "bridge login"),
        (("chat", "Hello", "--url", "http://127.0.0.1:1"), {}, "bridge serve"),
        (("chat",), {}, "The prompt is empty"),
        (("debug", "alice", "--headless"), {}, "bridge login"),
        (("install",), {"BRIDGE_BROWSER_EXECUTABLE": "/nowhere"}, "/nowhere"),
    ],
)
async def test_what_a_person_must_mend_is_one_line(
    home: Home, words: tuple[str, ...], variables: dict[str, str], named: str
) -> None:
    ended = await home.run(*words, **variables)
    assert (ended.code, ended.out) == (1, "")
    assert re.fullmatch(r"Error: .+\n", ended.err)
    assert named in ended.err


async def test_looking_makes_no_keys(home: Home) -> None:
    for words in (("profiles", "list"), ("profiles", "show", "alice"), ("profiles", "remove", "alice"), ("--help",)):
        await home.run(*words)
    assert not (home.folder / "config").exists()


async def test_a_profile_is_removed_only_after_a_yes(home: Home, site: DemoSite) -> None:
    home.log_in(site)
    home.log_in(site, "bob")
    assert (await home.run("profiles", "remove", "alice", stdin="n\n")).code == 1
    assert (await home.run("profiles", "remove", "alice", stdin="y\n")).code == 0
    assert (await home.run("profiles", "remove", "bob", "--yes")).code == 0
    settings = home.settings
    assert ProfileStore(settings.profiles, load_identity(settings.key_source)).names() == []


async def test_the_keys_are_printed_one_a_line_and_more_can_be_made(home: Home) -> None:
    first = (await home.run("keys")).out
    added = (await home.run("keys", "--add")).out
    assert KEY.fullmatch(first.strip())
    assert KEY.fullmatch(added.strip())
    assert (await home.run("keys")).out == first + added


async def test_the_help_of_serve_lists_every_setting(home: Home) -> None:
    shown = await home.run("serve", "--help")
    assert shown.code == 0
    for name, variable, default, description in describe():
        line = re.escape(name) + " +" + variable + " +" + ("" if name == "config" else re.escape(default) + "\n")
        assert re.search(line, shown.out), name
        assert description in shown.out


async def test_the_version_and_the_chromium_that_is_found_can_be_asked_for(home: Home) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", (await home.run("version")).out)
    found = await home.run("install")
    assert (found.code, os.access(found.out.strip(), os.X_OK)) == (0, True)


async def test_a_second_bridge_on_one_of_the_same_folders_is_refused_and_told_which_is_the_first(home: Home) -> None:
    used = {"BRIDGE_CONFIG": "config", "BRIDGE_PROFILES": "profiles", "BRIDGE_FILES_FOLDER": "config/files"}
    load_identity(home.settings.key_source)  # the same profiles want the same key
    key = str(home.folder / "config" / "profile.key")
    async with home.started("serve") as first:
        await first.shows("bridge login NAME")
        for shared in used:
            folders = {name: place if name == shared else f"{shared}/{place}" for name, place in used.items()}
            more = {name: str(home.folder / place) for name, place in folders.items()}
            second = await home.run("serve", BRIDGE_PROFILE_KEY_FILE=key, **more)
            assert (second.code, second.out) == (1, "")
            assert re.search(rf"Another bridge uses the folder .*process {first.process.pid}, started", second.err)
        first.process.kill()
        await first.process.wait()
    async with home.started("serve") as third:
        await third.shows("bridge login NAME")
        assert await third.ends(signal.SIGTERM) == 0


def test_no_child_process_inherits_the_password_of_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PASSWORD", "secret")
    assert ask("alice").password == "secret"
    assert "BRIDGE_PASSWORD" not in os.environ


TO_END = (
    (("login", "mine", "--form", "--user", "alice@example.com", "--url"), "Chromium"),
    (("debug", "alice", "--headless"), "opening"),
    (("doctor", "--site"), "browser"),
    (("chat", directive(tokens=500, rate=50)), "Chromium"),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize(
    ("words", "stage", "number"),
    [
        *((*command, SIGNALS[at % 2]) for at, command in enumerate(TO_END)),
        *stress(*((*command, SIGNALS[(at + 1) % 2]) for at, command in enumerate(TO_END))),
        *stress(*((("demo",), "Logged", number) for number in SIGNALS)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
async def test_a_command_that_is_told_to_end_does_so_at_once_and_without_a_word(
    home: Home, words: tuple[str, ...], stage: str, number: int
) -> None:
    async with DemoSite(replace(QUICK_SITE, sign_in="none")) as site:
        home.log_in(site)
        address = [site.url] if words[-1] == "--url" else []
        more = {"BRIDGE_PASSWORD": "secret"} if address else {}
        async with home.overheard(*words, *address, BRIDGE_LOG_LEVEL="INFO", **more) as command:
            said = await command.shows(stage)
            assert await command.ends(number) == 130
            said += (await command.output.read()).decode()
    assert not re.search("Traceback|never retrieved|Error|Exception", said), said
    assert home.left_running() == []
