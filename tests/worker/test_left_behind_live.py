"""What is used for a chat, or for a page, is let go with it: counted in the driver, the browser and this process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from bridge.durations import HOUR
from bridge.settings import SleepSettings
from bridge.telemetry import PageRenewed, WorkerState
from tests.support.browsers import light_browser
from tests.support.live import Live, directive, live
from tests.support.stress import stress
from tests.support.waiting import until

HELD = ("BrowserContext", "CDPSession", "ElementHandle", "JSHandle", "Page", "Tracing")
"""Objects of Playwright that stand for something which the browser keeps as long as they are there."""
MOST = 3
"""Chats at once."""
FILE = {"filename": "a.txt", "file_data": "data:text/plain;base64,YQ=="}


async def held(run: Live) -> Counter[str]:
    """Count what is held: by Playwright's objects, as processes of pages, and as sockets that listen."""
    async with run.bridge.browser.context({}) as context:
        objects = context._impl_obj._connection._objects.values()
        found = Counter(type(one).__name__ for one in objects)
    counted = Counter({kind: found[kind] for kind in HELD})
    counted["renderer"] = len(await run.pids("renderer"))
    sockets = psutil.Process().net_connections("tcp")
    counted["listening"] = sum(one.status == psutil.CONN_LISTEN for one in sockets)
    return counted


async def chats(run: Live, rounds: int) -> None:
    """Chat with and without DeepThink, and with a file, so that everything on the page is worked."""
    for _ in range(rounds):
        for model in ("deepseek-chat", "deepseek-reasoner"):
            assert await run.ask(directive(text="Hello"), model) == "Hello"
        content = [{"type": "text", "text": directive(text="Read")}, {"type": "file", "file": FILE}]
        answer = await run.client.chat.completions.create(
            model="deepseek-chat",
            messages=[{"role": "user", "content": content}],  # type: ignore[list-item, misc]
        )
        assert answer.choices[0].message.content == "Read"


@pytest.mark.browser
async def test_chats_and_pages_that_are_renewed_or_opened_again_leave_nothing_behind(tmp_path: Path) -> None:
    async with live(tmp_path, browser=light_browser(page_chats=7)) as run:
        await chats(run, 1)
        before = await held(run)
        await chats(run, 1)
        assert await held(run) == before
        await chats(run, 1)
        await run.facts.wait_for(lambda fact: isinstance(fact, PageRenewed))
        seen = len(run.facts.seen)
        for pid in await run.pids("renderer"):
            os.kill(pid, signal.SIGKILL)
        await run.facts.state("alice", WorkerState.BROKEN, seen)
        await run.facts.state("alice", WorkerState.READY, seen)
        await chats(run, 1)
        assert await held(run) == before


def left_open(run: Live, folder: Path) -> Counter[str]:
    """Count what this process has open, what it has begun, the browser's processes, and the files on the disk."""
    process = psutil.Process()
    children = process.children(recursive=True)
    return Counter(
        files=process.num_fds(),
        tasks=len(asyncio.all_tasks()),
        processes=len(children),
        on_disk=sum(path.is_file() for path in folder.rglob("*")),
    )


@pytest.mark.browser
@pytest.mark.parametrize(("names", "hours"), [("abc", 2), *stress(("abcd", 24))])
async def test_hours_of_sleeping_and_waking_leave_nothing_behind(names: str, hours: int, tmp_path: Path) -> None:
    dice, passed = random.Random(hours), 0.0
    sleep = SleepSettings(max_open=2, keep_open=0, after=HOUR / 2, refresh_hours=6)
    async with live(tmp_path, *names, sleep=sleep) as run:
        pool = run.bridge.pool
        pool.open_accounts._clock = lambda: time.monotonic() + passed

        async def asleep() -> None:
            nonlocal passed
            await until(lambda: not any(one.is_busy or one.state is WorkerState.STARTING for one in pool.accounts()))
            pool.open_accounts.plan()
            passed += HOUR
            pool.open_accounts.plan()
            await until(lambda: not any(slot.is_open for slot in pool._supervisor.slots))

        async def hour(most: int) -> None:
            """Chat on some accounts, at once and one after the other, and let them go to sleep."""
            for at_once in (most, 1):
                answers = await asyncio.gather(*(run.ask(directive(text="Hello")) for _ in range(at_once)))
                assert set(answers) == {"Hello"}
            await asleep()

        while not all(account.turns for account in run.site.accounts):  # each has by then what is made but once
            await hour(MOST)
        before = await held(run), left_open(run, tmp_path)
        for _ in range(hours):
            await hour(dice.randint(1, MOST))
        await until(lambda: left_open(run, tmp_path) <= before[1])
        assert await held(run) == before[0]
