"""One chat on a page that is slow, held up or cut off: the answer or the right error, and no account lost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from openai import APIError, APIStatusError

from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.errors import NetworkError, SiteBusy
from bridge.settings import PoolSettings, ServerSettings, TurnSettings
from bridge.telemetry import ChatStarted, WorkerChanged, WorkerState
from bridge.worker.worker import Worker
from tests.support.live import QUICK_SITE, Live, changed, directive, live, load_anew, other_site, served
from tests.support.stress import stress
from tests.support.waiting import until
from tests.worker.test_failures_live import Serving

SWITCHES = (
    ("deepseek-r1-search", (True, True)),
    ("deepseek-search", (False, True)),
    ("deepseek-chat", (False, False)),
)
"""Models one after the other, each of which needs another switch than the one before."""

HASTY = TurnSettings(ready=15, submit=2, first_byte=15, silence=15, stop=5)
"""A page that is at work gets longer than the limit for one that is not."""

IMPATIENT = PoolSettings(min_interval=0, queue_limit=5)
"""A chat does not wait for an account that rests."""


async def outcome(run: Live) -> tuple[int, str, str]:
    """Return status and code of what one chat gets, and the answer's text where it is not the one that was ordered."""
    try:
        text = await run.ask(directive(text="answered"))
    except APIStatusError as error:
        return error.status_code, str(error.code), ""
    return 200, "", "" if text == "answered" else text


def bundles(run: Live) -> list[Path]:
    """Return the reports of pages that were not as expected."""
    return list((run.settings.config / "bundles").glob("*"))


def changes(run: Live) -> list[str]:
    """Return what became of the accounts since they were ready."""
    states = [fact.state for fact in run.facts.seen if isinstance(fact, WorkerChanged)]
    return [str(state) for state in states][1:]


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """The bridge of the tests in which the page is at work longer than its limit, or the site refuses."""
    async with live(tmp_path_factory.mktemp("turns"), chromium=chromium, turn=HASTY, pool=IMPATIENT) as run:
        yield run


WAYS = (("at_once", True), ("late", False), ("ignored", True), ("undone", False))


@pytest.mark.parametrize(("clicks", "kept"), [*WAYS, *stress(*((clicks, not kept) for clicks, kept in WAYS))])
async def test_a_switch_that_settles_late_costs_neither_a_conversation_nor_the_account(
    run: Live, clicks: Literal["at_once", "late", "ignored", "undone"], kept: bool
) -> None:
    run.account().conversations.clear()
    with changed(run.settings.turn, submit=20):
        async with other_site(run, toggle_settle=(0.6, 0.6), toggle_clicks=clicks, toggle_kept=kept):
            for model, _ in SWITCHES:
                assert await run.ask(directive(text=f"as {model}"), model) == f"as {model}"
    sent = [(turn.thinking_enabled, turn.search_enabled) for turn in run.account().turns]
    assert sent == [wanted for _, wanted in SWITCHES]
    assert len(run.account().conversations) == len(SWITCHES)
    assert changes(run) == []


@dataclass(frozen=True)
class Trouble:
    """What goes wrong before a prompt is sent, and what the client must get; no `code` is the answer."""

    fault: str
    status: int = 200
    code: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    state: WorkerState | None = None


CREATE = {"call": "/chat_session/create"}
TROUBLES = (
    Trouble("waf_reply", 503, "human_needed", CREATE, WorkerState.CHALLENGED),
    Trouble("http_429", 429, "rate_limited", CREATE, WorkerState.RESTING),
    Trouble("code_40003", 503, "login_required", CREATE, WorkerState.LOGGED_OUT),
    Trouble("slow_proof", params={"seconds": 4}),
)
TWINS = (
    Trouble("http_500", 503, "site_busy", CREATE, WorkerState.RESTING),
    Trouble("muted_reply", 403, "account_muted", CREATE, WorkerState.MUTED),
    Trouble("biz_11", 503, "human_needed", CREATE, WorkerState.CHALLENGED),
)
"""What is read otherwise, and then goes the way of one of `TROUBLES`."""


@pytest.mark.parametrize("trouble", [*TROUBLES, *stress(*TWINS)], ids=lambda trouble: trouble.fault)
async def test_trouble_before_the_send_is_what_the_sites_own_replies_say(run: Live, trouble: Trouble) -> None:
    before = bundles(run)
    run.account().fault(trouble.fault, **trouble.params)
    await run.account().pages_informed()
    got = await outcome(run)
    assert got == (trouble.status, trouble.code, "")
    assert len(run.account().turns) == (trouble.status == 200)
    if trouble.state is not None:
        await run.facts.state("alice", trouble.state)
    assert changes(run) == ([str(trouble.state)] if trouble.state else [])
    assert bundles(run) == before


@pytest.mark.parametrize("has_styles", [True, False], ids=["styled", "unstyled"])
async def test_a_page_at_work_on_a_prompt_is_waited_for_though_its_button_looks_like_none(
    run: Live, has_styles: bool
) -> None:
    before = bundles(run)
    run.account().fault("renamed_controls", None, styles=has_styles)
    await load_anew(run)
    run.account().fault("slow_proof", seconds=4)
    await run.account().pages_informed()
    assert await outcome(run) == (200, "", "")
    assert (changes(run), bundles(run)) == ([], before)
    run.account().clear_fault("renamed_controls")
    await load_anew(run)


async def test_a_site_that_is_down_is_a_network_error_at_once_and_costs_the_account_nothing(run: Live) -> None:
    before = bundles(run)
    with changed(run.settings.turn, submit=20):
        async with run.site.unplugged():
            for _ in range(2):
                begun = time.monotonic()
                assert await outcome(run) == (502, "network_error", "")
                assert time.monotonic() - begun < run.settings.turn.submit
        assert await run.ask(directive(text="back")) == "back"
    assert (changes(run), bundles(run)) == ([], before)


async def test_what_a_call_of_the_page_met_counts_where_the_page_says_something_else_at_once(run: Live) -> None:
    async with run.bridge.pool.lent("alice") as worker:
        assert isinstance(worker, Worker)
        assert worker.shown is not None
        page = worker.shown

        async def told_twice() -> None:
            async with page.failing_on_refusal(0):
                page.interrupt(NetworkError("The site cannot be reached."))
                raise SiteBusy("The site is busy.")

        with pytest.raises(NetworkError):
            await told_twice()


async def test_a_frozen_site_is_waited_for(run: Live) -> None:
    before = bundles(run)
    with run.site.frozen(), changed(run.settings.turn, submit=1):
        seen = len(run.facts.seen)
        chat = asyncio.ensure_future(outcome(run))  # noqa: TID251
        await run.facts.wait_for(lambda fact: isinstance(fact, ChatStarted), seen)
        await asyncio.wait({chat}, timeout=2.5)  # the site is frozen for longer than the page may take to send
        assert not chat.done()
    assert await chat == (200, "", "")
    assert (changes(run), bundles(run)) == ([], before)


async def test_a_site_that_never_answers_is_a_timeout_and_costs_the_account_nothing(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=chromium, turn=HASTY.model_copy(update={"first_byte": 5, "ready": 8})) as run:
        assert await run.ask(directive(text="used")) == "used"  # such a page is loaded anew
        with run.site.frozen():
            for _ in range(2):  # the second one finds a page that may still be at work
                assert await outcome(run) == (504, "site_timeout", "")
        assert await run.ask(directive(text="back")) == "back"
        assert (changes(run), bundles(run)) == ([], [])
        assert len(run.account().turns) == 2


LONG = "0123456789" * 8


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("http_429", WorkerState.RESTING),
        ("reset", None),
        *stress(("muted_reply", WorkerState.MUTED), ("waf_reply", WorkerState.CHALLENGED), ("biz_22", None)),
    ],
)
async def test_an_answer_that_may_not_be_continued_is_given_as_far_as_it_came(
    run: Live, fault: str, state: WorkerState | None
) -> None:
    run.account().fault("incomplete")
    run.account().fault(fault, None, call="/chat/continue")
    answer = await run.client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": directive(text=LONG)}]
    )
    assert answer.choices[0].finish_reason == "length"
    assert LONG.startswith(answer.choices[0].message.content or "-")
    if state is not None:
        await run.facts.state("alice", state)
    assert changes(run) == ([str(state)] if state else [])


async def test_an_answer_cut_in_its_thinking_that_may_not_be_continued_is_given_as_far_as_it_came(run: Live) -> None:
    run.account().fault("incomplete", after=2)
    run.account().fault("http_429", None, call="/chat/continue")
    prompt = directive(text="never", thinking=LONG)
    answer = await run.client.chat.completions.create(
        model="deepseek-reasoner", messages=[{"role": "user", "content": prompt}]
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content in ("", None)
    thought = str((answer.choices[0].message.model_extra or {})["reasoning_content"])
    assert thought
    assert LONG.startswith(thought)


async def test_a_bridge_that_stops_stops_what_the_site_generates(tmp_path: Path, chromium: Chromium) -> None:
    async with live(tmp_path, chromium=chromium, server=ServerSettings(port=0, drain=0.2)) as run:
        run.account().fault("unattended")
        stream = await run.stream(directive(tokens=5000, rate=50))
        await anext(aiter(stream))
        account = run.account()
        with suppress(APIError):
            stopping = asyncio.ensure_future(run.bridge.pool.queue.drain(0.2))  # noqa: TID251
            async for _ in stream:
                pass
        await stopping
        assert [turn.outcome for turn in account.turns] == ["stopped"]
        assert changes(run) == []


@pytest.mark.browser
async def test_what_a_killed_bridge_left_generating_is_stopped_at_the_next_start(
    tmp_path: Path, chromium: Chromium
) -> None:
    async with DemoSite(replace(QUICK_SITE, accounts=("alice",))) as site:
        account = site.account("alice")
        account.fault("unattended")
        killed = Serving(tmp_path, site)
        await killed.start()
        asking = await killed.curl(directive(tokens=5000, rate=50), stream=True)
        assert asking.stdout is not None
        assert await asking.stdout.readline()
        await until(lambda: is_noted(killed.settings.config / "unsettled" / "alice.json"))
        killed.process.kill()
        await killed.process.wait()
        await asking.wait()
        async with served(tmp_path, site, chromium) as again:
            assert [turn.outcome for turn in account.turns] == ["stopped"]
            assert await again.ask(directive(text="again")) == "again"


def is_noted(path: Path) -> bool:
    return path.exists() and bool(json.loads(path.read_bytes()))
