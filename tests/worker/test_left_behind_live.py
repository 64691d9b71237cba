"""What is used for a chat, or for a page, is let go with it: counted in the driver, the browser and this process."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from bridge.telemetry import WorkerState
from tests.support.browsers import light_browser
from tests.support.live import Live, directive, live

HELD = ("BrowserContext", "CDPSession", "ElementHandle", "JSHandle", "Page", "Tracing")
"""Objects of Playwright that stand for something which the browser keeps as long as they are there."""
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
async def test_chats_leave_nothing_behind(tmp_path: Path) -> None:
    async with live(tmp_path) as run:
        await chats(run, 1)
        before = await held(run)
        await chats(run, 3)
        assert await held(run) == before


@pytest.mark.browser
async def test_a_page_that_is_renewed_or_opened_again_leaves_nothing_behind(tmp_path: Path) -> None:
    async with live(tmp_path, browser=light_browser(page_chats=4)) as run:
        await chats(run, 1)
        before = await held(run)
        for _ in range(3):
            seen = len(run.facts.seen)
            for pid in await run.pids("renderer"):
                os.kill(pid, signal.SIGKILL)
            await run.facts.state("alice", WorkerState.BROKEN, seen)
            await run.facts.state("alice", WorkerState.READY, seen)
            await chats(run, 1)
        await chats(run, 3)
        assert await held(run) == before
