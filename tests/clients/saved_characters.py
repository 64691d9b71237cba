"""Plays a task of 20 steps with each agent, and writes what it sent to the bridge against what was typed into the page.

`python -m tests.clients.saved_characters [AGENT...]` plays the named agents, or all, and renews their figures in
`docs/agents.json`; `make docs` then renews the table in `docs/agents.md`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger

from bridge.browser.browser import Chromium
from bridge.telemetry import Telemetry
from tests.clients.agents import AGENTS, Agent, said
from tests.clients.counting_proxy import CountingProxy, counting
from tests.clients.running import ROOT
from tests.support.live import Live, directive, live, settings_for

FIGURES = ROOT / "docs/agents.json"
STEPS = 20
DONE = "All of it is done."


@dataclass(frozen=True)
class Played:
    """Characters of one agent's task; `beside` are chats outside of its conversation, such as one for a title."""

    agent: str
    first_sent: int
    first_typed: int
    later_sent: int
    later_typed: int
    beside_sent: int
    beside_typed: int


def scripts(agent: Agent, home: Path) -> list[dict[str, Any]]:
    """Return what the model says at each step: it writes files, reads them, and runs commands, by turns."""
    texts: list[str] = []
    for number in range(STEPS):
        path = home / f"notes{number // 3}.txt"
        calls = (agent.write(path, f"Notes {number}.\n"), agent.read(path), agent.run(f"wc -c {path}"))
        texts.append(said(calls[number % 3]))
    return [{"text": text} for text in (*texts[: STEPS - 1], DONE)]


async def play(name: str, browser: Chromium) -> Played:
    """Play the task with one agent."""
    agent = AGENTS[name]
    with TemporaryDirectory() as folder:
        home = Path(folder)
        first, *others = scripts(agent, home)
        task = f"Keep notes. {directive(**first, then=others)}"
        async with live(home, chromium=browser) as site, counting(site.bridge.url) as proxy:
            site.bridge.url = proxy.url  # what the agent's settings are made of
            out = await agent.play(site, home, task)
            assert DONE in out, out
            return figures(name, proxy, site)


def figures(name: str, proxy: CountingProxy, site: Live) -> Played:
    """Return what was counted: the account has answered the chats in the order in which they came."""
    turns = site.account().turns
    assert len(turns) == len(proxy.sent), f"{name}: {len(proxy.sent)} chats became {len(turns)} turns"
    task, beside = Counted(), Counted()
    for turn, sent in zip(turns, proxy.sent, strict=True):
        counted = task if turn.conversation == turns[-1].conversation else beside
        counted.sent.append(sent)
        counted.typed.append(len(turn.prompt))
    assert len(task.sent) == STEPS, f"{name}: {len(task.sent)} steps in one conversation"
    return Played(
        name,
        *(task.sent[0], task.typed[0]),
        *(sum(task.sent[1:]), sum(task.typed[1:])),
        *(sum(beside.sent), sum(beside.typed)),
    )


@dataclass(frozen=True)
class Counted:
    """Characters of chats."""

    sent: list[int] = field(default_factory=list)
    typed: list[int] = field(default_factory=list)


def kept() -> list[Played]:
    """Return the figures of the documentation."""
    return [Played(**one) for one in json.loads(FIGURES.read_text("utf-8"))]


def markdown() -> str:
    """Return the figures as a table."""
    rows = [
        "| agent | first step: sent | typed | 19 later steps: sent | typed | saved | beside it: sent | typed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in kept():
        saved = 1 - one.later_typed / one.later_sent
        numbers = (one.first_sent, one.first_typed, one.later_sent, one.later_typed)
        shown = " | ".join(f"{number:,}" for number in numbers)
        rows.append(f"| {one.agent} | {shown} | {saved:.1%} | {one.beside_sent:,} | {one.beside_typed:,} |")
    return "\n".join(rows)


async def main(names: list[str]) -> None:
    """Play the agents, and write the figures of each as soon as they are there."""
    logger.disable("bridge")
    with TemporaryDirectory() as folder:
        browser = Chromium(settings_for(Path(folder)).pages, Telemetry())
        try:
            for name in names or AGENTS:
                played = await play(name, browser)
                print(played, flush=True)
                write(played)
        finally:
            await browser.close()


def write(played: Played) -> None:
    """Put the figures of one agent in the place of its earlier ones."""
    figures = {one.agent: one for one in (*kept(), played)}
    ordered = [asdict(figures[name]) for name in AGENTS if name in figures]
    FIGURES.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
