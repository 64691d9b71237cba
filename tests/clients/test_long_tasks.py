"""Coding agents work for many steps, in one conversation of the site, in which each step sends only what is new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from tests.clients.running import claude_code, run
from tests.support.live import Live, called, directive, live

DONE = "All of it is done."
PROGRAM = "import sys\nprint(sum(map(int, sys.argv[1:])), 'in all')\n"
NEW_ONE_MOST = 3_000
"""Characters that a step may type into the page: the result of a call and what stands around it."""


@dataclass(frozen=True)
class Agent:
    """How an agent is started and set up, and how its tools are called."""

    command: tuple[str, ...]
    setting: Callable[[Live], dict[str, str]]
    write: Callable[[Path, str], str]
    read: Callable[[Path], str]
    run: Callable[[str], str]


AGENTS = {
    "claude-code": Agent(
        ("claude", "--dangerously-skip-permissions", "-p"),
        claude_code,
        lambda path, text: called("Write", file_path=str(path), content=text),
        lambda path: called("Read", file_path=str(path)),
        lambda command: called("Bash", command=command, description="Run it"),
    ),
}


def steps(agent: Agent, home: Path) -> list[str]:
    """Return what the model says at each step: one has several calls, two of the calls fail."""
    program, notes, list_ = home / "sum.py", home / "notes.txt", home / "list.txt"
    return [
        agent.write(program, PROGRAM),
        "\n".join((agent.write(notes, "Notes.\n"), agent.write(list_, "1\n2\n"), agent.read(program))),
        agent.run(f"python3 {program} 1 2 39"),
        agent.run(f"python3 {program} one"),
        agent.read(home / "nothing.txt"),
        agent.run(f"cat {list_} | xargs python3 {program}"),
        agent.run(f"echo 'The sum is 3.' >> {notes}"),
        agent.read(notes),
        "\n".join((agent.run(f"wc -c {notes}"), agent.run(f"ls {home}"))),
        DONE,
    ]


@pytest.mark.parametrize("name", AGENTS)
async def test_an_agent_reads_writes_and_runs_files_over_many_steps_of_one_conversation(
    tmp_path: Path, chromium: Chromium, name: str
) -> None:
    agent = AGENTS[name]
    first, *others = steps(agent, tmp_path)
    then: list[dict[str, Any]] = [{"text": text} for text in others]
    async with live(tmp_path, chromium=chromium) as site:
        task = f"Sum what is in the list. {directive(text=first, then=then)}"
        said = await run(site, tmp_path, *agent.command, stdin=task, **agent.setting(site))
        turns = site.account().turns
    assert DONE in said
    assert (tmp_path / "notes.txt").read_text("utf-8") == "Notes.\nThe sum is 3.\n"
    turns = [turn for turn in turns if turn.conversation == turns[-1].conversation]
    assert [turn.parent for turn in turns] == [None, *range(2, 2 * len(turns), 2)]
    assert len(turns) == len(others) + 1
    new = [turn.prompt for turn in turns[1:]]
    assert new[1].count("<tool_result name=") == 3
    assert "42 in all" in new[2]
    assert "ValueError" in new[3]
    assert "3 in all" in new[5]
    assert "The sum is 3." in new[7]
    assert max(map(len, new)) < NEW_ONE_MOST
