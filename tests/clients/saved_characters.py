"""Plays a task of 20 steps with each agent, and writes what it sent to the bridge against what was typed into the page.

`python -m tests.clients.saved_characters [AGENT...]` plays the named agents, or all, and renews their figures in
`docs/agents.json`; `make docs` then renews the table in `docs/agents.md`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger

from bridge.browser.browser import Chromium
from bridge.telemetry import Telemetry
from tests.clients.counting_proxy import CountingProxy, counting
from tests.clients.running import ROOT, claude_code, example, run
from tests.clients.test_agents import MODEL, continue_cli, opencode, pi, qwen
from tests.support.browsers import light_browser
from tests.support.live import Live, called, directive, live, settings_for

FIGURES = ROOT / "docs/agents.json"
STEPS = 20
DONE = "All of it is done."


@dataclass(frozen=True)
class Agent:
    """How an agent is started and set up, and how it writes a file, reads one, and runs a command."""

    command: tuple[str, ...]
    setting: Callable[[Live, Path], dict[str, str]]
    write: Callable[[Path, str], str]
    read: Callable[[Path], str]
    run: Callable[[str], str]
    is_piped: bool = True
    """Whether it takes its task from its input, and not as an argument."""


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


def codex(site: Live, home: Path) -> dict[str, str]:
    """Write Codex's settings; the key is in the environment."""
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(example(site, "codex.toml"), "utf-8")
    return {"BRIDGE_API_KEY": site.key}


def cline(site: Live, home: Path) -> dict[str, str]:
    """Write the provider's settings of cline."""
    folder = home / ".cline/data/settings"
    folder.mkdir(parents=True)
    provider = {
        "provider": "openai-compatible",
        "apiKey": site.key,
        "baseUrl": f"{site.bridge.url}/v1",
        "model": MODEL,
    }
    kept = {"settings": provider, "tokenSource": "manual", "updatedAt": "2026-01-01T00:00:00.000Z"}
    chosen = {"version": 1, "lastUsedProvider": "openai-compatible", "providers": {"openai-compatible": kept}}
    (folder / "providers.json").write_text(json.dumps(chosen), "utf-8")
    return {"CLINE_NO_AUTO_UPDATE": "1", "CLINE_TELEMETRY_DISABLED": "1"}


def bash(command: str) -> str:
    """Return a call of a tool named like the shell."""
    return called("bash", command=command, description="Run it")


AGENTS = {
    "claude-code": Agent(
        ("claude", "--dangerously-skip-permissions", "-p"),
        lambda site, _: claude_code(site),
        lambda path, text: called("Write", file_path=str(path), content=text),
        lambda path: called("Read", file_path=str(path)),
        lambda command: called("Bash", command=command, description="Run it"),
    ),
    "codex": Agent(
        ("codex", "exec", "--skip-git-repo-check", "-s", "danger-full-access"),
        codex,
        lambda path, text: called("exec_command", cmd=f"printf '{text}' > {path}"),
        lambda path: called("exec_command", cmd=f"cat {path}"),
        lambda command: called("exec_command", cmd=command),
        is_piped=False,
    ),
    "opencode": Agent(
        ("opencode", "run"),
        opencode,
        lambda path, text: called("write", filePath=str(path), content=text),
        lambda path: called("read", filePath=str(path)),
        bash,
    ),
    "qwen-code": Agent(
        ("qwen", "--auth-type", "openai", "--yolo"),
        qwen,
        lambda path, text: called("write_file", file_path=str(path), content=text),
        lambda path: called("read_file", file_path=str(path)),
        lambda command: called("run_shell_command", command=command, is_background=False),
    ),
    "pi": Agent(
        ("pi", "--provider", "bridge", "--model", MODEL, "--no-session", "-p"),
        pi,
        lambda path, text: called("write", path=str(path), content=text),
        lambda path: called("read", path=str(path)),
        lambda command: called("bash", command=command),
    ),
    "continue": Agent(
        ("cn", "--config", "config.yaml", "--auto", "-p"),
        continue_cli,
        lambda path, text: called("Write", filepath=str(path), content=text),
        lambda path: called("Read", filepath=str(path)),
        lambda command: called("Bash", command=command),
        is_piped=False,
    ),
    "cline": Agent(
        ("cline", "--json"),
        cline,
        lambda path, text: called("editor", path=str(path), new_text=text),
        lambda path: called("read_files", files=[{"path": str(path)}]),
        lambda command: called("run_commands", commands=[command]),
        is_piped=False,
    ),
}


def scripts(agent: Agent, home: Path) -> list[dict[str, Any]]:
    """Return what the model says at each step: it writes files, reads them, and runs commands, by turns."""
    said: list[str] = []
    for number in range(STEPS):
        path = home / f"notes{number // 3}.txt"
        calls = (agent.write(path, f"Notes {number}.\n"), agent.read(path), agent.run(f"wc -c {path}"))
        said.append(calls[number % 3])
    return [{"text": text} for text in (*said[: STEPS - 1], DONE)]


async def play(name: str, browser: Chromium) -> Played:
    """Play the task with one agent."""
    agent = AGENTS[name]
    with TemporaryDirectory() as folder:
        home = Path(folder)
        first, *others = scripts(agent, home)
        task = f"Keep notes. {directive(**first, then=others)}"
        async with live(home, chromium=browser) as site, counting(site.bridge.url) as proxy:
            site.bridge.url = proxy.url  # what the agent's settings are made of
            more = agent.setting(site, home)
            given = [] if agent.is_piped else [task]
            out = await run(site, home, *agent.command, *given, stdin=task if agent.is_piped else "", **more)
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
        browser = Chromium(settings_for(Path(folder), browser=light_browser()), Telemetry())
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
