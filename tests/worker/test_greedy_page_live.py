"""A page without measure: it loads, allocates, loops and opens windows without end, and chats go on all the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from openai import APIStatusError

from bridge.browser.browser import Chromium
from bridge.settings import MEBIBYTE, BrowserSettings, PoolSettings
from bridge.telemetry import PageRenewed, WorkerState
from tests.sites.test_driver_live import answer_to
from tests.support.hostile import (
    GREEDY,
    HANG,
    STORMS,
    TURN,
    Run,
    answers,
    bridge_to,
    comes_back,
    hostile_site,
    page_of,
    states,
)
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until

CHECKED = 2
"""Seconds in which a page is asked several times for a sign of life."""
PATIENT = TURN.model_copy(update={"ready": 60, "submit": 40, "first_byte": 40})


NUISANCES = {
    "windows": "setInterval(() => window.open('/?window'), 300);",
    "downloads": "setInterval(() => Object.assign(document.createElement('a'), {href: '/big', download: 'big'})"
    ".click(), 100);",
    "other programs": "setInterval(() => { location = 'mailto:a@example.com'; location = 'tel:1'; "
    "location = 'vscode://x'; }, 300);",
    "print, full screen, pointer": "setInterval(() => { print(); document.body.requestFullscreen(); "
    "document.body.requestPointerLock(); }, 300);",
}
DIALOGS = (
    "setInterval(() => { alert(1); confirm(2); prompt(3); }, 50); onbeforeunload = event => event.preventDefault()"
)


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, full_chromium: Chromium) -> AsyncGenerator[Run]:
    """The bridge of the tests that need no settings of their own."""
    folder = tmp_path_factory.mktemp("greedy")
    async with hostile_site() as site, bridge_to(folder, full_chromium, site, turn=PATIENT) as run:
        yield run


@pytest.fixture
async def run(shared: Run) -> AsyncGenerator[Run]:
    """The shared bridge; its page is loaded anew afterwards, so that what it was told to do ends with the test."""
    await shared.start_over()
    yield shared
    await shared.load_anew()


@pytest.mark.parametrize("storm", [HANG, *stress(*STORMS)])
async def test_a_page_that_never_comes_to_rest_is_replaced(run: Run, storm: str) -> None:
    seen = len(run.facts.seen)
    await run.site.order(storm)
    await run.facts.state("alice", WorkerState.BROKEN, seen)
    await run.facts.state("alice", WorkerState.READY, seen)
    assert await run.ask("hello") == answer_to("hello")


async def test_a_page_that_loads_anew_without_end_costs_a_chat_and_the_account_is_back_when_that_is_over(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    turn, pool = TURN.model_copy(update={"ready": 6}), PoolSettings(min_interval=0, queue_limit=6)
    async with hostile_site() as site, bridge_to(tmp_path, full_chromium, site, turn=turn, pool=pool) as run:
        site.on_load = "setTimeout(() => location.reload(), 300)"
        site.during, site.lasts = "1", 1  # longer than a page is there
        await site.order("location.reload()")
        with pytest.raises(APIStatusError) as caught:
            await run.ask("hello")
        assert caught.value.status_code in (502, 503, 504)
        site.on_load = site.during = ""
        sent, loads = len(site.received), site.loads
        assert sent <= 1
        await until(lambda: site.loads > loads)  # what comes now stays

        async def is_back() -> bool:
            return states(run.facts)[-1:] == [WorkerState.READY] and await answers(run)

        await until(is_back, 1.5 * LIMIT)
        assert set(states(run.facts)) <= {WorkerState.STARTING, WorkerState.READY, WorkerState.BROKEN}
        assert len(site.received) == sent + 1


async def renderers_of(full_chromium: Chromium) -> int:
    """Return how many processes show pages."""
    return [kind for kind, _ in await full_chromium.processes()].count("renderer")


async def test_a_page_that_allocates_without_end_is_ended_and_opened_anew_in_ever_longer_pauses(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    # with a limit of growth, a quick machine replaces the page before it has taken too much
    browser = BrowserSettings(check_every=0.5, call_limit=5, hosts="any", page_growth=0)
    async with hostile_site() as site, bridge_to(tmp_path, full_chromium, site, browser=browser) as run:
        seen, site.on_load = len(run.facts.seen), GREEDY
        await site.order(GREEDY)
        lost = await run.facts.state("alice", WorkerState.BROKEN, seen)
        assert "took more than 700 MiB of memory (browser.page_memory)" in lost.reason
        await run.facts.state("alice", WorkerState.BROKEN, run.facts.seen.index(lost) + 1)
        site.on_load = ""
        await comes_back(run)
        renewals = [fact for fact in run.facts.seen if isinstance(fact, PageRenewed)]
        assert site.paths.count("/") <= 1 + states(run.facts).count(WorkerState.BROKEN) + len(renewals)


async def test_a_page_that_is_replaced_while_it_is_asked_for_a_sign_of_life_is_not_lost(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    async with hostile_site() as site, page_of(tmp_path, full_chromium, site) as session:
        await session.page.evaluate("order => { setTimeout(order, 0); }", HANG)
        check = asyncio.get_running_loop().create_task(session.check(LIMIT))
        await session.renew(LIMIT)
        await check


@pytest.mark.parametrize("nuisances", [tuple(NUISANCES), *stress(*(((name,),) for name in NUISANCES))], ids="+".join)
async def test_chats_go_on_on_a_page_that_is_a_nuisance(
    run: Run, full_chromium: Chromium, nuisances: tuple[str, ...]
) -> None:
    await run.site.order(" ".join(NUISANCES[name] for name in nuisances))
    await chats_go_on(run, full_chromium)
    assert WorkerState.BROKEN not in states(run.facts)


async def test_chats_go_on_on_a_page_full_of_dialogs(tmp_path: Path, full_chromium: Chromium) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, full_chromium, site, turn=PATIENT) as run:
        await site.order(DIALOGS)
        await chats_go_on(run, full_chromium, lasts=0.2)
        # they may take all of the page's time; then another page takes its place
        await run.facts.state("alice", WorkerState.READY)


async def chats_go_on(run: Run, full_chromium: Chromium, lasts: float = 1) -> None:
    """Chat twice, for so many seconds, and look at what the page has opened meanwhile."""
    renderers, site = await renderers_of(full_chromium), run.site
    site.during, site.lasts = "1", lasts
    for number in range(2):
        assert await run.ask(f"chat {number}") == answer_to(f"chat {number}")
    assert await renderers_of(full_chromium) <= renderers + 1
    assert sum("window" in path for path in site.paths) < 15, "one for a chat's own clicks and keys, not 3 a second"


ENDLESS = b'data: {"v": "%s"}\n\n' % (b"x" * 65_000)
LIMIT_OF_ANSWER = 64 * MEBIBYTE


@pytest.mark.parametrize(
    ("piece", "size"),
    [
        (ENDLESS, math.inf),
        *stress((ENDLESS, 200 * MEBIBYTE), (b": %s\n" % (b"x" * 65_000), math.inf)),
    ],
    ids=["endless", "200 MB", "endless comments"],
)
async def test_an_answer_without_measure_is_given_up_and_the_next_chat_is_answered(
    tmp_path: Path, full_chromium: Chromium, piece: bytes, size: float
) -> None:
    async with hostile_site() as site, bridge_to(tmp_path, full_chromium, site) as run:
        before = psutil.Process().memory_info().rss
        site.flood, site.flood_size = piece, size
        async with asyncio.timeout(3 * LIMIT):
            with pytest.raises(APIStatusError) as caught:
                await run.ask("hello")
        assert caught.value.status_code == 502
        assert f"more than {LIMIT_OF_ANSWER} bytes" in caught.value.message
        site.flood = b""
        await comes_back(run)
        assert psutil.Process().memory_info().rss - before < 5 * LIMIT_OF_ANSWER


@pytest.mark.parametrize("storm", [HANG, *stress(STORMS[0])])
async def test_a_page_that_hangs_in_mid_answer_costs_one_chat_at_most(run: Run, storm: str) -> None:
    seen, run.site.during = len(run.facts.seen), storm
    async with asyncio.timeout(PATIENT.silence + PATIENT.stop + LIMIT):
        with suppress(APIStatusError):  # all of the answer, where it comes past the page, or an error
            assert await run.ask("hello") == answer_to("hello")
    run.site.during = ""
    await run.facts.state("alice", WorkerState.BROKEN, seen)
    await run.facts.state("alice", WorkerState.READY, seen)
    assert await run.ask("hello") == answer_to("hello")


async def test_a_page_gets_no_window_without_a_click_and_a_health_check_is_none(run: Run) -> None:
    tries = "fetch('/opened?' + [1, 2, 3].filter(() => window.open('/?window')).length)"
    # not before the last click is forgotten, which may still be to come: the bridge opens a new chat ahead
    look = f"navigator.userActivation.isActive ? setTimeout(look, 100) : {tries}"
    await run.site.order(f"const look = () => {look}; setTimeout(look, {CHECKED * 1000})")
    await until(lambda: any("opened" in path for path in run.site.paths))
    assert "/opened?0" in run.site.paths
    assert not any("window" in path for path in run.site.paths)
