"""A browser that runs elsewhere does what one of ours does; what cannot be reached is said, and no secret with it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
from loguru import logger
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk
from playwright._impl._driver import compute_driver_executable
from pydantic import SecretStr

from bridge.browser.browser import Chromium
from bridge.browser.chromium import find, sandboxed
from bridge.browser.renewal import browser_renewal
from bridge.demo import DemoSite
from bridge.errors import BrowserError
from bridge.settings import BrowserSettings, TurnSettings
from bridge.telemetry import BrowserLost, BrowserReplaced, Telemetry, WorkerState
from tests.browser.test_browsers_live import WORDS, streamed
from tests.liveview.test_liveview_live import ASKING, call, captured
from tests.support.browsers import free_port, launch_config, light_browser, operators_chrome, playwright_server
from tests.support.certificates import self_signed
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, directive, live, served, settings_for
from tests.support.relay import relay
from tests.support.waiting import until
from tests.support.watching import PASSWORD, WIDE, fill_form, login_page, person
from tests.worker.test_files_live import figures, file, receipt, said
from tests.worker.test_minimized_live import has_window

pytestmark = pytest.mark.browser

TURN = TurnSettings(ready=5, submit=5, first_byte=30, silence=30, stop=2)
SECRET = "kept-to-ourselves"
UNSAFE = ("--unsafe", "--path", f"/{SECRET}")


def elsewhere(port: int, path: str = SECRET, **more: Any) -> BrowserSettings:
    """Return settings with the browser of a Playwright server, which starts the Chromium of this machine for us."""
    connect = SecretStr(f"playwright+ws://127.0.0.1:{port}/{path}")
    own = {"executable": find(light_browser()), "sandbox": None if sandboxed(BrowserSettings()) else False}
    return BrowserSettings.model_validate({"connect": connect, "check_every": 0.5, **own, **more})


async def test_chats_files_and_windows_go_through_the_browser_of_a_playwright_server(tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        async with playwright_server(*UNSAFE) as server:
            async with live(tmp_path, "alice", "bob", browser=elsewhere(server.port)) as run:
                assert await streamed(run) == WORDS
                for notes in (b"Short notes.", b"Long notes. " * 500_000):
                    assert await receipt(run, said(file(notes))) == {"notes.txt": figures(notes)}
                await run.bridge.pool.pause("bob")
                async with await run.stream(directive(tokens=4000, rate=50)) as stream:
                    await anext(aiter(stream))
                    await has_window(run, "minimized")
                assert [kind for kind, _ in await run.bridge.browser.processes()] == ["driver"]
                assert "WebUIOmniboxPopup" in str(server.browsers())
                state = await call(run, "GET", "state")
                shown = f"playwright+ws://127.0.0.1:{server.port}"
                assert (state["browser"]["elsewhere"], state["browser"]["memory_mb"]) == (shown, None)
                assert SECRET not in json.dumps(state)
            await until(lambda: not server.browsers())
    finally:
        logger.remove(sink)
    assert f"connected to Chromium {state['browser']['version']} at {shown}: browser.hosts and" in "".join(lines)
    assert SECRET not in "".join(lines)


async def test_a_person_logs_in_through_the_live_view_of_a_browser_that_runs_elsewhere(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with (
        playwright_server(*UNSAFE) as server,
        DemoSite(ASKING) as site,
        served(tmp_path, site, None, ["alice"], browser=elsewhere(server.port)) as run,
    ):
        run.account("bob").password = PASSWORD
        begun = await call(run, "POST", "logins", {"name": "second", "site": "deepseek", "url": run.site.url})
        async with person(run, chromium, WIDE) as someone:
            page = await login_page(run, begun["id"])
            await someone.look(login=begun["id"])
            await someone.has_controls()
            await fill_form(someone, page)
            assert (await captured(run, begun["id"]))["state"] == "captured"
        await run.facts.state("second", WorkerState.READY)


async def test_a_connection_that_breaks_in_mid_answer_ends_the_chat_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with (
        playwright_server(*UNSAFE) as server,
        relay(server.url) as way,
        live(tmp_path, browser=elsewhere(way.port)) as run,
    ):
        before = len(run.facts.seen)
        stream = await run.stream(directive(tokens=4000, rate=50))

        async def read() -> None:
            async for chunk in stream:
                if chunk.choices:
                    way.sever()

        with pytest.raises(openai.APIError, match="The browser was lost"):
            await read()
        assert await run.facts.wait_for(lambda fact: isinstance(fact, BrowserLost), before)
        broken = await run.facts.state("alice", WorkerState.BROKEN, before)
        await until(lambda: "cannot be connected to: " in run.bridge.pool.accounts()[0].reason)
        assert SECRET not in broken.reason + run.bridge.pool.accounts()[0].reason
        await until(lambda: not server.browsers())
        await way.mend()
        await run.facts.state("alice", WorkerState.READY, len(run.facts.seen))
        assert await streamed(run) == WORDS
        assert len([turn for turn in run.account().turns if turn.kind == "completion"]) == 2


async def test_a_server_that_hangs_in_mid_answer_is_noticed_and_its_accounts_come_back_with_it(tmp_path: Path) -> None:
    async with (
        playwright_server(*UNSAFE) as server,
        live(tmp_path, browser=elsewhere(server.port, call_limit=1)) as run,
    ):
        before = len(run.facts.seen)
        stream = await run.stream(directive(tokens=4000, rate=50))
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(openai.APIError, match="sign of life"):
            await rest_of(stream)
        await run.facts.state("alice", WorkerState.BROKEN, before)
        server.process.send_signal(signal.SIGCONT)
        await run.facts.state("alice", WorkerState.READY, len(run.facts.seen))
        assert await streamed(run) == WORDS


async def rest_of(stream: AsyncStream[ChatCompletionChunk]) -> None:
    async for _ in stream:
        pass


async def test_a_second_browser_of_the_server_takes_over_when_that_is_due(tmp_path: Path) -> None:
    async with playwright_server(*UNSAFE) as server:
        browser = elsewhere(server.port, restart_hours=1e-9)
        async with live(tmp_path, browser=elsewhere(server.port)) as run:
            before = len(run.facts.seen)
            async with browser_renewal(run.bridge.browser, browser, look_every=0.05):
                await run.facts.wait_for(lambda fact: isinstance(fact, BrowserReplaced), before)
            await until(lambda: len(server.browsers()) == 1)
            assert await streamed(run) == WORDS


@pytest.mark.parametrize("kind", ["a Playwright server with one browser for all", "a debugger"])
async def test_two_bridges_on_one_browser_leave_each_other_alone(tmp_path: Path, kind: str) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        if kind == "a debugger":
            await stack.enter_async_context(operators_chrome(tmp_path / "theirs", port))
            settings = BrowserSettings(connect=SecretStr(f"http://127.0.0.1:{port}"), check_every=0.5)
        else:
            config = launch_config(tmp_path, port, f"/{SECRET}")
            options = ("--browser", "chromium", "--config", str(config))
            await stack.enter_async_context(playwright_server(*options, port=port, command="launch-server"))
            settings = elsewhere(port)
        one = await stack.enter_async_context(live(tmp_path / "one", browser=settings))
        async with live(tmp_path / "two", "alice", "bob", browser=settings) as two:
            for _ in range(2):
                answers = await asyncio.gather(streamed(one), streamed(two), streamed(two))
                assert set(answers) == {WORDS}
        before = len(one.facts.seen)
        assert await streamed(one) == WORDS
        assert not [fact for fact in one.facts.seen[before:] if isinstance(fact, BrowserLost)]


async def refused(folder: Path, browser: BrowserSettings, **more: TurnSettings) -> str:
    """Return why the browser is not connected to."""
    chromium = Chromium(settings_for(folder, browser=browser, **more), Telemetry())
    with pytest.raises(BrowserError) as error:
        await chromium.version()
    await chromium.close()
    assert SECRET not in f"{error.value!r} {error.value.message}"
    cause = error.value.__cause__
    assert SECRET not in str(cause)
    return error.value.message


async def test_what_cannot_be_connected_to_is_told_with_what_to_do(tmp_path: Path) -> None:
    query = f"?token={SECRET}"
    async with playwright_server(*UNSAFE) as server, operators_chrome(tmp_path / "theirs") as chrome:
        for address, says in (
            (f"playwright+ws://127.0.0.1:{free_port()}/{query}", r"cannot be connected to: .*ECONNREFUSED"),
            (f"playwright+ws://127.0.0.1:{server.port}/{query}", "answers, but not at this path"),
            (f"playwright+wss://127.0.0.1:{server.port}/{SECRET}", "cannot be connected to: .*EPROTO"),
            (f"playwright+ws://me:{SECRET}@127.0.0.1:{chrome.port}/", "cannot be connected to: .*404"),
            (f"cdp+ws://127.0.0.1:{chrome.port}/{SECRET}", "cannot be connected to: .*404"),
            (f"http://127.0.0.1:{server.port}/{query}", "A Playwright server is written as playwright"),
        ):
            connect = BrowserSettings(connect=SecretStr(address))
            assert re.search(says, await refused(tmp_path, connect)), address
        other = elsewhere(server.port, executable="/nowhere/chromium")
        assert "Run `playwright install chromium` there" in await refused(tmp_path, other)


async def test_a_server_that_is_full_is_waited_for_no_longer_than_the_setting_says(tmp_path: Path) -> None:
    async with playwright_server(*UNSAFE, "--max-clients", "1") as server:
        first = Chromium(settings_for(tmp_path, browser=elsewhere(server.port)), Telemetry())
        try:
            assert await first.version()
            message = await refused(tmp_path, elsewhere(server.port), turn=TURN)
        finally:
            await first.close()
    assert message.endswith("within 5 seconds: it hangs, or has as many clients as it takes (--max-clients).")


async def test_a_server_of_another_version_is_told_with_both_versions(tmp_path: Path) -> None:
    package = tmp_path / "package"
    ours = Path(compute_driver_executable()[1]).parent
    shutil.copytree(ours, package, ignore=shutil.ignore_patterns("vite", "types"))
    manifest = json.loads((ours / "package.json").read_text("utf-8"))
    version = ".".join(manifest["version"].split(".")[:2])
    (package / "package.json").write_text(json.dumps({**manifest, "version": "1.2.3"}), "utf-8")
    async with playwright_server(package=package) as server:
        message = await refused(tmp_path, elsewhere(server.port, ""))
    assert f"a Playwright server of version 1.2, and this bridge has {version}" in message
    assert f"pip install 'playwright=={version}.*'" in message


async def test_a_debugger_behind_tls_is_reached_with_a_certificate_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with operators_chrome(tmp_path / "theirs") as chrome, relay(chrome.url, context) as way:
        settings = BrowserSettings(connect=SecretStr(f"https://localhost:{way.port}"))
        assert "No TLS with the browser at https://localhost" in await refused(tmp_path, settings)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(files.certificate))
        chromium = Chromium(settings_for(tmp_path, browser=settings), Telemetry())
        try:
            assert re.fullmatch(r"[\d.]+", await chromium.version())
        finally:
            await chromium.close()


async def test_the_doctor_checks_the_connection(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        async with DemoSite(QUICK_SITE) as site, playwright_server(*UNSAFE) as server:
            home.log_in(site)
            there = {
                "BRIDGE_BROWSER_CONNECT": f"playwright+ws://127.0.0.1:{server.port}/{SECRET}",
                "BRIDGE_BROWSER_EXECUTABLE": str(find(BrowserSettings())),
                "BRIDGE_BROWSER_SANDBOX": str(sandboxed(BrowserSettings())).lower(),
                "BRIDGE_BROWSER_SHELL": "false",
            }
            well = await home.run("doctor", "--site", **there)
            assert well.code == 0, well
            assert re.search(
                rf"browser +elsewhere: connected to Chromium \S+ at playwright\+ws://127.0.0.1:{server.port}", well.out
            )
            there["BRIDGE_BROWSER_CONNECT"] = f"playwright+ws://127.0.0.1:{free_port()}/{SECRET}"
            ill = await home.run("doctor", "--site", **there)
        assert ill.code == 1
        assert re.search(r"FAILED +browser +The browser at \S+ cannot be connected to", ill.out), ill
        assert SECRET not in well.out + well.err + ill.out + ill.err
