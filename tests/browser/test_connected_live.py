"""A browser that runs elsewhere does what one of ours does; what cannot be reached is said, and no secret with it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import ssl
from collections.abc import AsyncGenerator
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
from bridge.browser.connected import connected
from bridge.browser.launch import Driver, start_driver
from bridge.browser.renewal import browser_renewal
from bridge.demo import DemoSite
from bridge.errors import BrowserError
from bridge.settings import BrowserSettings, TurnSettings
from bridge.telemetry import BrowserLost, BrowserReplaced, Telemetry, WorkerState
from tests.browser.test_browsers_live import WORDS, streamed
from tests.liveview.test_liveview_live import call, captured
from tests.support.browsers import free_port, launch_config, light_browser, operators_chrome, playwright_server
from tests.support.certificates import self_signed
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, directive, live, served, settings_for
from tests.support.relay import relay
from tests.support.waiting import LIMIT, until
from tests.support.watching import PASSWORD, WIDE, login_page, person
from tests.worker.test_files_live import figures, file, receipt, said
from tests.worker.test_minimized_live import has_window

pytestmark = pytest.mark.browser

TURN = TurnSettings(ready=5, submit=5, first_byte=30, silence=30, stop=2)
SECRET = "kept-to-ourselves"
ENDLESS = directive(tokens=4000, rate=50)
UNSAFE = ("--unsafe", "--path", f"/{SECRET}")


def elsewhere(port: int, path: str = SECRET, **more: Any) -> BrowserSettings:
    """Return settings with the browser of a Playwright server, which starts the Chromium of this machine for us."""
    connect = SecretStr(f"playwright+ws://127.0.0.1:{port}/{path}")
    own = {"executable": find(light_browser()), "sandbox": None if sandboxed(BrowserSettings()) else False}
    return BrowserSettings.model_validate({"connect": connect, "check_every": 0.5, **own, **more})


async def test_chats_files_and_windows_go_through_the_browser_of_a_playwright_server_and_a_second_one_takes_over(
    tmp_path: Path,
) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        async with playwright_server(*UNSAFE) as server:
            async with live(tmp_path, browser=elsewhere(server.port)) as run:
                notes = b"Long notes. " * 200_000
                assert await receipt(run, said(file(notes))) == {"notes.txt": figures(notes)}
                async with await run.stream(ENDLESS) as stream:
                    await anext(aiter(stream))
                    await has_window(run, "minimized")
                assert [kind for kind, _ in await run.bridge.browser.processes()] == ["driver"]
                assert "WebUIOmniboxPopup" in str(server.browsers())
                state = await call(run, "GET", "state")
                shown = f"playwright+ws://127.0.0.1:{server.port}"
                assert (state["browser"]["elsewhere"], state["browser"]["memory_mb"]) == (shown, None)
                assert SECRET not in json.dumps(state)
                await until(lambda: not run.bridge.pool.queue.busy())
                before = len(run.facts.seen)
                async with browser_renewal(run.bridge.browser, elsewhere(server.port, restart_hours=1e-9), 0.05):
                    await run.facts.wait_for(lambda fact: isinstance(fact, BrowserReplaced), before)
                await until(lambda: len(server.browsers()) == 1)
                assert await streamed(run) == WORDS
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
        DemoSite(QUICK_SITE) as site,
        served(tmp_path, site, own=[], browser=elsewhere(server.port)) as run,
    ):
        run.account().password = PASSWORD
        begun = await call(run, "POST", "logins", {"name": "mine", "site": "deepseek", "url": run.site.url})
        async with person(run, chromium, WIDE) as someone:
            page = await login_page(run, begun["id"])
            await someone.look(login=begun["id"])
            await someone.has_controls()
            user, password = page.locator("input[autocomplete=username]"), page.locator("input[type=password]")
            await someone.click(user)
            await someone.type("alice")
            await someone.paste("@example.com")
            await someone.seen(user, "alice@example.com")
            await someone.click(password)
            await someone.paste(PASSWORD)
            await someone.seen(password, PASSWORD)
            await someone.click(page.get_by_role("button", name="Log in", exact=True))
            assert (await captured(run, begun["id"]))["state"] == "captured"
        await run.facts.state("mine", WorkerState.READY)


async def test_a_connection_that_breaks_and_a_server_that_hangs_end_the_chat_and_nothing_is_sent_twice(
    tmp_path: Path,
) -> None:
    async with (
        playwright_server(*UNSAFE) as server,
        relay(server.url) as way,
        live(tmp_path, browser=elsewhere(way.port, call_limit=2)) as run,
    ):
        before = len(run.facts.seen)
        stream = await run.stream(ENDLESS)
        way.sever()
        with pytest.raises(openai.APIError, match="The browser was lost"):
            await rest_of(stream)
        assert await run.facts.wait_for(lambda fact: isinstance(fact, BrowserLost), before)
        broken = await run.facts.state("alice", WorkerState.BROKEN, before)
        await until(lambda: "cannot be connected to: " in run.bridge.pool.accounts()[0].reason)
        assert SECRET not in broken.reason + run.bridge.pool.accounts()[0].reason
        await until(lambda: not server.browsers())
        await way.mend()
        await run.facts.state("alice", WorkerState.READY, len(run.facts.seen))

        before = len(run.facts.seen)
        stream = await run.stream(ENDLESS)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(openai.APIError, match="sign of life"):
            await rest_of(stream)
        await run.facts.state("alice", WorkerState.BROKEN, before)
        server.process.send_signal(signal.SIGCONT)
        await run.facts.state("alice", WorkerState.READY, len(run.facts.seen))
        assert await streamed(run) == WORDS
        assert len([turn for turn in run.account().turns if turn.kind == "completion"]) == 3


async def rest_of(stream: AsyncStream[ChatCompletionChunk]) -> None:
    async for _ in stream:
        pass


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
            answers = await asyncio.gather(streamed(one), streamed(two), streamed(two))
            assert set(answers) == {WORDS}
        before = len(one.facts.seen)
        assert await streamed(one) == WORDS
        assert not [fact for fact in one.facts.seen[before:] if isinstance(fact, BrowserLost)]


@pytest.fixture(scope="module")
async def driver() -> AsyncGenerator[Driver]:
    """One driver for all that is not connected to."""
    driver = await start_driver(LIMIT, LIMIT)
    yield driver
    await driver.stop(LIMIT)


async def refused(driver: Driver, folder: Path, browser: BrowserSettings, **more: TurnSettings) -> str:
    """Return why the browser is not connected to."""
    assert browser.address is not None
    with pytest.raises(BrowserError) as error:
        await connected(driver, browser.address, settings_for(folder, browser=browser, **more).pages)
    assert SECRET not in f"{error.value!r} {error.value.message}"
    cause = error.value.__cause__
    assert SECRET not in str(cause)
    return error.value.message


async def test_what_cannot_be_connected_to_is_told_with_what_to_do(tmp_path: Path, driver: Driver) -> None:
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
            assert re.search(says, await refused(driver, tmp_path, connect)), address
        other = elsewhere(server.port, executable="/nowhere/chromium")
        assert "Run `playwright install chromium` there" in await refused(driver, tmp_path, other)


async def test_a_server_that_is_full_is_waited_for_no_longer_than_the_setting_says(
    tmp_path: Path, driver: Driver
) -> None:
    async with playwright_server(*UNSAFE, "--max-clients", "1") as server:
        browser = elsewhere(server.port)
        assert browser.address is not None
        first = await connected(driver, browser.address, settings_for(tmp_path, browser=browser).pages)
        message = await refused(driver, tmp_path, browser, turn=TURN)
        await first.browser.close()
    assert message.endswith("within 5 seconds: it hangs, or its --max-clients are connected.")


async def test_a_server_of_another_version_is_told_with_both_versions(tmp_path: Path, driver: Driver) -> None:
    package = tmp_path / "package"
    ours = Path(compute_driver_executable()[1]).parent
    shutil.copytree(ours, package, ignore=shutil.ignore_patterns("vite", "types"))
    manifest = json.loads((ours / "package.json").read_text("utf-8"))
    version = ".".join(manifest["version"].split(".")[:2])
    (package / "package.json").write_text(json.dumps({**manifest, "version": "1.2.3"}), "utf-8")
    async with playwright_server(package=package) as server:
        message = await refused(driver, tmp_path, elsewhere(server.port, ""))
    assert f"a Playwright server of version 1.2, and this bridge has {version}" in message
    assert f"pip install 'playwright=={version}.*'" in message


async def test_a_debugger_behind_tls_is_reached_with_a_certificate_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: Driver
) -> None:
    files = await self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with operators_chrome(tmp_path / "theirs") as chrome, relay(chrome.url, context) as way:
        settings = BrowserSettings(connect=SecretStr(f"https://localhost:{way.port}"))
        assert "The TLS connection to the browser at https://localhost" in await refused(driver, tmp_path, settings)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
        monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(files.certificate))
        chromium = Chromium(settings_for(tmp_path, browser=settings).pages, Telemetry())
        try:
            assert re.fullmatch(r"[\d.]+", await chromium.version())
        finally:
            await chromium.close()


async def test_the_doctor_checks_the_connection(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        async with DemoSite(QUICK_SITE) as site, playwright_server(*UNSAFE) as server:
            there = {
                "BRIDGE_BROWSER_CONNECT": f"playwright+ws://127.0.0.1:{server.port}/{SECRET}",
                "BRIDGE_BROWSER_EXECUTABLE": str(find(light_browser())),
                "BRIDGE_BROWSER_SANDBOX": str(sandboxed(BrowserSettings())).lower(),
                "BRIDGE_BROWSER_SHELL": "false",
            }
            nowhere = f"playwright+ws://127.0.0.1:{free_port()}/{SECRET}"
            ill = await home.run("doctor", "--site", **{**there, "BRIDGE_BROWSER_CONNECT": nowhere})
            home.log_in(site)
            well = await home.run("doctor", "--site", **there)
            assert well.code == 0, well
            assert re.search(
                rf"browser +elsewhere: connected to Chromium \S+ at playwright\+ws://127.0.0.1:{server.port}", well.out
            )
        assert ill.code == 1
        assert re.search(r"FAILED +browser +The browser at \S+ cannot be connected to", ill.out), ill
        assert SECRET not in well.out + well.err + ill.out + ill.err
