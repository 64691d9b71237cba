"""Every fault of the site, played in a real Chromium: what the client gets, and what becomes of the account."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.browser.browser import Chromium
from bridge.demo.faults import FAULTS
from bridge.settings import BrowserSettings, PoolSettings, TurnSettings
from bridge.sse import SSEDecoder
from bridge.telemetry import WorkerChanged, WorkerState
from tests.fault_table import AS_HTTP, LOADS, PAGES, REFUSALS, STREAMS, TABLE, UPLOADS, Row
from tests.support.live import QUICK_SITE, Live, directive, live, reset, sign_in_again
from tests.support.stress import stress

STATIONS = 3
SITE = replace(QUICK_SITE, heartbeat=0.3, heartbeat_timeout=0.6, auto_resume=0.4)
TURN = TurnSettings(ready=15, submit=4, first_byte=12, silence=4, stop=4, upload=8)
BROWSER = BrowserSettings(check_every=0.3, call_limit=5)
POOL = PoolSettings(min_interval=0, queue_limit=12)
TEXT = "It is 12 °C — mild, 「晴」. " * 4
THINKING = "Let me look."
NOTES = {"type": "file", "file": {"filename": "notes.txt", "file_data": "c29tZSBub3Rlcw=="}}
ELSEWHERE = {"unknown_control"}
"""What `test_driver_live.py` proves: the error names the control."""


@dataclass(frozen=True)
class Got:
    """What a client got."""

    status: int
    code: str
    message: str
    text: str
    finish: str | None
    seconds: float


class Station:
    """A bridge with one account, on which one row after the other is played."""

    def __init__(self, run: Live, http: aiohttp.ClientSession) -> None:
        self.run = run
        self.http = http
        self.account = run.account()

    async def ask(self, model: str, prompt: str, *, stream: bool, attached: bool = False) -> Got:
        """Return what a chat gets."""
        begun = time.monotonic()
        content: object = [{"type": "text", "text": prompt}, NOTES] if attached else prompt
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}
        async with self.http.post("/v1/chat/completions", json=body) as response:
            raw = await response.read()
            if response.content_type == "text/event-stream":
                frames = [event.data for event in SSEDecoder().feed(raw)]
                documents = [json.loads(frame) for frame in frames if frame != "[DONE]"]
            else:
                documents = [json.loads(raw)]
        return _got(response.status, documents, time.monotonic() - begun)

    async def play(self, row: Row, *, stream: bool, goes_on: bool = False) -> list[str]:
        """Play one row, and return what was not as promised; with `goes_on`, the next row's chat is the next chat."""
        sends = len(self.account.turns)
        after = await self.prepare(row)
        problems = await self.leave() if row.leaves else await self.chat_problems(row, stream=stream)
        problems += await self.state_problems(row, after)
        sent = len(self.account.turns) - sends
        if sent != row.sends:
            problems.append(f"{sent} sends reached the site instead of {row.sends}")
        self.account.clear_fault()
        if not goes_on:
            problems += await self.next_problems(row, stream=stream)
        await self.restore(row)
        return [f"{row.fault} {'streaming' if stream else 'whole'}: {problem}" for problem in problems]

    async def prepare(self, row: Row) -> int:
        """Switch the fault on, and see to it that the page knows; return the number of facts before it struck."""
        if row.reopen:
            await self.sign_out()
        after = len(self.run.facts.seen)
        self.account.fault(row.fault, row.times, **row.params)
        if row.reopen:
            await self.sign_in(row.state)
        await self.account.pages_informed()
        return after if row.is_parked else len(self.run.facts.seen)

    async def chat_problems(self, row: Row, *, stream: bool) -> list[str]:
        """Return how what the client gets differs from what is promised."""
        prompt = directive(text=TEXT, thinking=THINKING, title="A title", rate=row.rate)
        got = await self.ask(row.model, prompt, stream=stream, attached=row.attached)
        return _differences(row, got, stream=stream)

    async def leave(self) -> list[str]:
        """Begin a long answer and leave in the middle of it."""
        stream = await self.run.stream(directive(tokens=2000, rate=50))
        await anext(aiter(stream))
        await stream.close()
        return []

    async def state_problems(self, row: Row, after: int) -> list[str]:
        """Return how the account's state differs from what is promised."""
        if row.state is WorkerState.READY:
            changes = [fact for fact in self.run.facts.seen[after:] if isinstance(fact, WorkerChanged)]
            return [f"the account became {change.state} ({change.reason})" for change in changes]
        try:
            fact = await self.run.facts.state("alice", row.state, after)
        except TimeoutError:
            return [f"the account did not become {row.state}"]
        if row.state is not WorkerState.BROKEN and (fact.until is not None) != row.until:
            return [f"until is {fact.until}"]
        if row.state is WorkerState.MUTED and fact.until is not None:
            left = (fact.until - datetime.now(UTC)).total_seconds()
            return [] if abs(left - 86_400) < 120 else [f"the mute ends in {left} seconds"]
        return []

    async def next_problems(self, row: Row, *, stream: bool) -> list[str]:
        """Return what is wrong with the chat after the failed one."""
        sends = len(self.account.turns)
        got = await self.ask("deepseek-chat", directive(text="next"), stream=stream)
        sent = len(self.account.turns) - sends
        if row.is_parked:
            return (
                []
                if (got.status, got.code, sent) == (503, "no_account", 0)
                else [f"the next chat: {got}, {sent} sends"]
            )
        return [] if (got.status, got.text, sent) == (200, "next", 1) else [f"the next chat: {got}, {sent} sends"]

    async def restore(self, row: Row) -> None:
        """Make the account as good as new."""
        if row.is_parked:
            await self.sign_in()

    async def sign_out(self) -> None:
        """End the login at the site, and let the bridge notice."""
        after = len(self.run.facts.seen)
        self.account.sign_out()
        await self.ask("deepseek-chat", "not signed in", stream=False)
        await self.run.facts.state("alice", WorkerState.LOGGED_OUT, after)

    async def sign_in(self, state: WorkerState = WorkerState.READY) -> None:
        """Log the account in anew, as `bridge login` does, and wait until that has come to `state`."""
        await sign_in_again(self.run, "alice", state)


def _got(status: int, documents: Sequence[dict[str, Any]], seconds: float) -> Got:
    text, finish = "", None
    error: dict[str, Any] = {}
    for document in documents:
        error = document.get("error") or error
        for choice in document.get("choices", ()):
            text += (choice.get("delta") or choice.get("message") or {}).get("content") or ""
            finish = choice["finish_reason"] or finish
    return Got(status, error.get("code", ""), error.get("message", ""), text, finish, seconds)


def _differences(row: Row, got: Got, *, stream: bool) -> list[str]:
    """Return how what the client got differs from what is promised."""
    if row.status is None:
        return _answer_differences(row, got, stream=stream)
    status = 200 if stream and row.begun else row.status
    problems = []
    if (got.status, got.code) != (status, row.code):
        problems.append(f"got {got.status} {got.code}: {got.message}")
    elif not re.search(row.says, got.message):
        problems.append(f"the error says: {got.message}")
    if got.finish is not None or (got.text and not TEXT.startswith(got.text)):
        problems.append(f"with the text {got.text!r} and the end {got.finish}")
    return problems


def _answer_differences(row: Row, got: Got, *, stream: bool) -> list[str]:
    if got.status != 200 or got.code:
        return [f"got {got.status} {got.code}: {got.message}"]
    is_whole = row.text == "whole" or (stream and row.streaming != AS_HTTP)
    is_right = got.text.startswith(TEXT) if is_whole else TEXT not in got.text
    return [] if is_right and got.finish == row.finish else [f"got {got.text!r}, {got.finish}"]


@asynccontextmanager
async def station(folder: Path, chromium: Chromium) -> AsyncGenerator[Station]:
    async with live(folder, chromium=chromium, demo=SITE, turn=TURN, browser=BROWSER, pool=POOL) as run:
        headers = {"Authorization": f"Bearer {run.key}"}
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(run.bridge.url, headers=headers, timeout=timeout) as http:
            yield Station(run, http)


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[list[Station]]:
    """The stations on which all rows are played."""
    async with AsyncExitStack() as stack:
        folders = [tmp_path_factory.mktemp("station") for _ in range(STATIONS)]
        yield [await stack.enter_async_context(station(folder, chromium)) for folder in folders]


@pytest.fixture
async def stations(shared: list[Station]) -> list[Station]:
    for one in shared:
        await reset(one.run)
    return shared


async def play_all(rows: Sequence[Row], stations: Sequence[Station], turn: int) -> list[str]:
    """Play the rows on the stations at once, every other one as a stream, and return what was not as promised.

    In the first turn, the chat behind a row that was answered is the next row's, or that of the last row on its page.
    """
    waiting = [(row, (number + turn) % 2 == 1) for number, row in enumerate(rows)]
    problems: list[str] = []

    async def work(one: Station) -> None:
        last = None
        while waiting:
            row, stream = waiting.pop(0)
            problems.extend(await one.play(row, stream=stream, goes_on=turn == 0 and row.is_answered))
            last = row
        if last is not None and last.is_answered:
            problems.extend(f"after {last.fault}: {problem}" for problem in await one.next_problems(last, stream=True))

    async with asyncio.TaskGroup() as tasks:
        for one in stations:
            tasks.create_task(work(one))
    return problems


GROUPS = {"refusals": REFUSALS, "streams": STREAMS, "pages": PAGES, "loads": LOADS, "uploads": UPLOADS}
PLAYED = [
    *(pytest.param([row for row in rows if not row.is_twin], 0, id=name) for name, rows in GROUPS.items()),
    *stress(([row for row in TABLE if row.is_twin], 0), *((rows, 1) for rows in GROUPS.values())),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("rows", "turn"), PLAYED)
async def test_each_fault_ends_as_the_table_promises(rows: Sequence[Row], turn: int, stations: list[Station]) -> None:
    problems = await play_all(rows, stations, turn)
    assert not problems, "\n".join(problems)


def test_the_table_has_every_fault_that_a_chat_can_meet() -> None:
    assert {row.fault for row in TABLE} | ELSEWHERE == set(FAULTS)
