"""Every browser that the settings may name: a chat works in it, its end is survived, and only what is ours is ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr, ValidationError

from bridge.browser.browser import Chromium
from bridge.browser.chromium import find, kind_of
from bridge.browser.debugger_lookup import find_websocket
from bridge.browser_address import browser_address
from bridge.demo import DemoSite
from bridge.errors import BrowserError, SetupError
from bridge.settings import BrowserSettings
from bridge.storage.key_files import KeyFile
from bridge.telemetry import BrowserStarted, Telemetry, WorkerChanged, WorkerState
from tests.support.browsers import free_port, is_light, light_browser, need, need_shell, operators_chrome, screen
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, Live, directive, live, settings_for
from tests.support.sdk import sdk
from tests.support.stress import stress
from tests.support.waiting import until
from tests.worker.test_failures_live import gone
from tests.worker.test_files_live import figures, file, receipt, said

pytestmark = pytest.mark.browser

WORDS = "Ünïcode, \U0001f600 and\n\n  `code`, word by word. " * 20
ASKS = "<script>setTimeout(() => document.title += confirm('?'), 100)</script>"


async def streamed(run: Live) -> str:
    return await streamed_to(run.client)


async def streamed_to(client: AsyncOpenAI) -> str:
    stream = await client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": directive(text=WORDS)}], stream=True
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def test_the_headless_shell_runs_where_the_settings_want_it_and_the_full_browser_where_not(
    chromium: Chromium,
) -> None:
    need_shell()
    assert "headless" in find(BrowserSettings(shell=True)).name
    program = command_of(dict(await chromium.processes())["browser"])[0]
    assert ("headless" in Path(program).name) is is_light()


def command_of(pid: int) -> list[str]:
    return psutil.Process(pid).cmdline()


@pytest.mark.parametrize(("channel", "name"), [("chrome", "google-chrome"), *stress(("msedge", "microsoft-edge"))])
async def test_a_channel_is_found_where_its_package_puts_it_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str, name: str
) -> None:
    installed = tmp_path / "bin"
    installed.mkdir()
    (installed / name).symlink_to(find(light_browser()))
    monkeypatch.setenv("PATH", f"{installed}{os.pathsep}{os.environ['PATH']}")
    settings = BrowserSettings.model_validate({"channel": channel, "check_every": 0.5})
    async with live(tmp_path, browser=settings) as run:
        started = await run.facts.wait_for(lambda fact: isinstance(fact, BrowserStarted))
        assert isinstance(started, BrowserStarted)
        assert Path(started.executable).name in (name, "chrome", "msedge"), "an installed one comes first"
        assert await streamed(run) == WORDS
        ours = [pid for _, pid in await run.bridge.browser.processes()]
    await gone(*ours)


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        ({"channel": "chrome"}, r"No Google Chrome .*install it.*playwright install chrome`"),
        ({"channel": "msedge"}, r"No Microsoft Edge .*install it.*playwright install msedge`"),
        ({"shell": True}, r"No headless shell .*apt-get install chromium-headless-shell.*bridge install"),
    ],
)
def test_a_browser_that_is_not_installed_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, object], advice: str
) -> None:
    settings = BrowserSettings.model_validate(wanted)
    kind = kind_of(settings)
    assert re.search(advice, kind.advice)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    if not any(Path(path).exists() for path in kind.paths):
        with pytest.raises(SetupError, match=advice):
            find(settings)


async def test_serve_shows_its_windows_under_xvfb_run_where_a_killed_browser_comes_back(tmp_path: Path) -> None:
    need(shutil.which("xvfb-run") and shutil.which("xauth"), "xvfb-run (Debian: xvfb and xauth)")
    with Home.at(tmp_path) as home:
        async with DemoSite(QUICK_SITE) as site:
            home.log_in(site)
            shown_in = replace(home, under=("xvfb-run", "--auto-servernum"))
            async with shown_in.started(
                "serve", "--headed", "--slow-mo", "20", BRIDGE_BROWSER_SHELL="false"
            ) as command:
                below = psutil.Process(command.process.pid)
                try:
                    url = re.search(r"http://127\.0\.0\.1:\d+", await command.shows("Accounts"))
                    assert url
                    async with sdk(f"{url[0]}/v1", KeyFile(home.settings.config).keys()[0]) as client:
                        assert await streamed_to(client) == WORDS
                        browsers = [one for one in below.children(recursive=True) if is_browser(one)]
                        assert len(browsers) == 1
                        assert not [word for word in browsers[0].cmdline() if word.startswith("--headless")]
                        browsers[0].kill()
                        await gone(browsers[0].pid)
                        assert await streamed_to(client) == WORDS
                    ours = below.children(recursive=True)
                    next(one for one in ours if "serve" in one.cmdline()).terminate()
                    await command.process.wait()
                finally:
                    for process in below.children(recursive=True) if below.is_running() else []:
                        process.kill()
        await until(lambda: home.left_running() == [])  # xvfb-run ends its Xvfb, and does not wait for that


def is_browser(process: psutil.Process) -> bool:
    """Tell whether it is the process of a browser that starts the others."""
    words = process.cmdline()
    return "--remote-debugging-pipe" in words and not any(word.startswith("--type=") for word in words)


async def test_a_login_opens_its_window_in_the_full_browser_also_where_the_settings_want_the_shell(
    tmp_path: Path,
) -> None:
    async with screen() as display, DemoSite(QUICK_SITE) as site:
        with Home.at(tmp_path) as home:
            words = ("login", "mine", "--url", site.url)
            async with home.overheard(*words, DISPLAY=display, BRIDGE_BROWSER_SHELL="true") as login:
                said = await login.shows("Sign in to")
                assert "/chromium-headless-shell" not in said
                await login.ends(signal.SIGINT)
        assert home.left_running() == []


def attached(port: int) -> BrowserSettings:
    return BrowserSettings(connect=SecretStr(f"http://127.0.0.1:{port}"), check_every=0.5)


async def test_a_browser_of_the_operator_is_used_and_left_as_it_was_and_what_its_tabs_ask_is_not_answered(
    tmp_path: Path,
) -> None:
    async with operators_chrome(tmp_path / "theirs", settings=BrowserSettings()) as chrome:
        async with live(tmp_path, browser=attached(chrome.port)) as run:
            await chrome.open(
                "<title>Asks</title><script>setTimeout(() => document.title += confirm('?'), 100)</script>"
            )
            assert await streamed(run) == WORDS
            notes = b"Long notes. " * 200_000
            assert await receipt(run, said(file(notes))) == {"notes.txt": figures(notes)}
            assert {"Mine", "Asks"} < set(await chrome.tabs())
            ours = [pid for _, pid in await run.bridge.browser.processes()]
            assert len(ours) == 1, "nothing but a driver"
        await gone(*ours)
        assert sorted(await chrome.tabs()) == ["Asks", "Mine"]
        assert chrome.process.returncode is None


async def test_a_bridge_that_is_killed_leaves_no_tab_in_the_operators_browser(tmp_path: Path) -> None:
    async with operators_chrome(tmp_path / "theirs") as chrome, DemoSite(QUICK_SITE) as site:
        with Home.at(tmp_path) as home:
            home.log_in(site)
            async with home.overheard(
                "serve", BRIDGE_BROWSER_CONNECT=chrome.url, BRIDGE_BROWSER_SHELL="false"
            ) as bridge:
                await bridge.shows("connected to Chromium")
                await bridge.shows("browser.hosts and browser.page_memory do not apply there")
                await bridge.shows("account alice is ready")
                assert len(await chrome.tabs()) == 2
                bridge.process.kill()
                await bridge.process.wait()

        async def is_as_before() -> bool:
            return await chrome.tabs() == ["Mine"]

        await until(is_as_before)


async def test_a_browser_of_the_operator_that_ends_is_missed_at_once_and_attached_to_when_it_is_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        chrome = await stack.enter_async_context(operators_chrome(tmp_path / "theirs", port))
        run = await stack.enter_async_context(live(tmp_path, browser=attached(port)))
        before = len(run.facts.seen)
        chrome.process.kill()
        broken = await run.facts.wait_for(
            lambda fact: isinstance(fact, WorkerChanged) and "No browser answers at" in fact.reason, before
        )
        assert isinstance(broken, WorkerChanged)
        assert broken.state is WorkerState.BROKEN
        assert f"--remote-debugging-port={port}" in broken.reason
        back = await stack.enter_async_context(operators_chrome(tmp_path / "theirs", port))
        await run.facts.state("alice", WorkerState.READY, len(run.facts.seen))
        assert await streamed(run) == WORDS
        assert "Mine" in await back.tabs()


async def test_what_is_no_debugger_is_not_attached_to(tmp_path: Path) -> None:
    async with DemoSite(QUICK_SITE) as site:
        settings = settings_for(tmp_path, browser=BrowserSettings(connect=SecretStr(site.url)))
        browser = Chromium(settings.pages, Telemetry())
        with pytest.raises(
            BrowserError, match=r"is not a browser's debugger\. A Playwright server .* Start Chrome there with"
        ):
            await browser.version()
        await browser.close()


async def test_a_debugger_that_names_another_machine_is_looked_for_where_the_setting_says(tmp_path: Path) -> None:
    answer = json.dumps({"webSocketDebuggerUrl": "ws://192.0.2.1:9/devtools/browser/x"}).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(answer), answer))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await find_websocket(browser_address(f"http://me:too@localhost:{port}/?token=mine"), 5)
        assert found == f"ws://me:too@127.0.0.1:{port}/devtools/browser/x?token=mine"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"connect": "http://127.0.0.1:9222", "shell": True}, "each name a browser"),
        ({"connect": "cdp+ws://127.0.0.1:9222/x", "executable": "/bin/true"}, "each name a browser"),
        ({"channel": "chrome", "shell": True}, "each name a browser"),
        ({"connect": "playwright+ws://127.0.0.1:3000/", "channel": "chrome", "shell": True}, "each name a browser"),
        ({"shell": True, "headed": True}, "has no windows"),
    ],
)
def test_settings_that_name_no_one_browser_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        BrowserSettings.model_validate(given)
