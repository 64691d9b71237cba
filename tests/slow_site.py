"""One account alone on a slow, frozen or unreachable page, with all limits as they are in earnest.

`python -m tests.slow_site` plays it, which takes some minutes, and prints what each chat got and what became of the
account; `test_turns_live.py` plays the same with shorter times.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from loguru import logger
from openai import APIStatusError

from bridge.demo.site_settings import DemoSettings
from bridge.settings import BrowserSettings, PoolSettings, TurnSettings
from bridge.telemetry import WorkerChanged
from tests.support.live import Live, directive, live

SITE = DemoSettings(accounts=("alice",), toggle_settle=(1.5, 1.5))
MODELS = ("deepseek-chat", "deepseek-r1-search", "deepseek-search", "deepseek-reasoner")
ANSWER = "200"
HEAD_START = 0.3
"""Seconds from the beginning of the trouble to the first chat."""

Trouble = Callable[[Live], Awaitable[None]]


async def nothing(_: Live) -> None:
    """Only the switches are slow."""


async def slow_proof(run: Live) -> None:
    """Let a proof of work take 20 seconds."""
    run.account().fault("slow_proof", seconds=20)
    await run.account().pages_informed()


async def firewall(run: Live) -> None:
    """Put the firewall before the call that begins a conversation."""
    run.account().fault("waf_reply", call="/chat_session/create")


async def network_cut(run: Live) -> None:
    """Cut the network for 2 seconds."""
    async with run.site.unplugged():
        await asyncio.sleep(2)


async def frozen_site(run: Live) -> None:
    """Let the site answer nothing for 20 seconds."""
    with run.site.frozen():
        await asyncio.sleep(20)


async def frozen_page(run: Live) -> None:
    """Stop the page's process for 20 seconds."""
    pids = await run.pids("renderer")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(20)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Case:
    """A trouble, what each chat may get, and what the account may become meanwhile."""

    trouble: Trouble
    right: Sequence[str] = (ANSWER,)
    becomes: Sequence[str] = ()
    chats: int = 2
    site: DemoSettings = SITE


CASES = (
    *(Case(nothing, chats=4, site=replace(SITE, toggle_clicks=clicks)) for clicks in ("at_once", "late")),
    *(Case(nothing, chats=4, site=replace(SITE, toggle_clicks=clicks)) for clicks in ("ignored", "undone")),
    Case(nothing, chats=4, site=replace(SITE, toggle_clicks="late", toggle_kept=False)),
    Case(slow_proof),
    Case(firewall, ("503 human_needed",), ("challenged",), chats=1),
    Case(network_cut, (ANSWER, "502 network_error")),
    Case(frozen_site),
    Case(frozen_page),
)


async def play(case: Case, folder: Path) -> list[str]:
    """Play a case; return what was not as it should be."""
    async with live(
        folder,
        demo=case.site,
        turn=TurnSettings(),
        browser=BrowserSettings(),
        pool=PoolSettings(min_interval=0, queue_limit=5),
    ) as run:
        async with asyncio.TaskGroup() as tasks:
            trouble = tasks.create_task(_told(case.trouble(run)))
            await asyncio.wait({trouble}, timeout=HEAD_START)
            got = [await _outcome(run, model) for model in MODELS[: case.chats]]
        states = [str(fact.state) for fact in run.facts.seen if isinstance(fact, WorkerChanged)][1:]
        extra = len(run.account().conversations) - len(run.account().turns)
    print(f"{case.trouble.__name__:12} {case.site.toggle_clicks:8} {'; '.join(got)}; account: {states or 'ready'}")
    errors = sum(not one.startswith(ANSWER) for one in got)
    wrong = [one for one in got if one.partition(",")[0] not in case.right]
    return [
        *(f"{case.trouble.__name__}: {one}" for one in wrong),
        *([f"{case.trouble.__name__}: the account became {states}"] if states != list(case.becomes) else ()),
        *([f"{case.trouble.__name__}: {extra} conversations too many"] if extra > errors else ()),
    ]


async def _told(trouble: Awaitable[None]) -> None:
    await trouble


async def _outcome(run: Live, model: str) -> str:
    """Return status and code, and the seconds that it took."""
    begun = time.monotonic()
    try:
        text = await run.ask(directive(text="answered"), model)
        result = ANSWER if text == "answered" else f"200 with {text!r}"
    except APIStatusError as error:
        result = f"{error.status_code} {error.code}"
    return f"{result}, {time.monotonic() - begun:.1f} s"


async def _play_all() -> list[str]:
    problems: list[str] = []
    for case in CASES:
        with TemporaryDirectory() as folder:
            problems += await play(case, Path(folder))
    return problems


def main() -> int:
    """Play all cases; return 0 if every promise was kept."""
    logger.remove()
    problems = asyncio.run(_play_all())
    print("\n".join(problems or ["every promise was kept"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
