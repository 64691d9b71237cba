"""Coding agents work for many steps, in one conversation of the site, in which each step sends only what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from tests.clients.agents import AGENTS, Agent, said
from tests.support.live import directive, live

DONE = "All of it is done."
PROGRAM = "import sys\nprint(sum(map(int, sys.argv[1:])), 'in all')\n"
NEW_ONE_MOST = 3_000
"""Characters that a step may type into the page: the result of a call and what stands around it."""


def steps(agent: Agent, home: Path) -> list[str]:
    """Return what the model says at each step: two have several calls, two of the calls fail."""
    program, notes, list_ = home / "sum.py", home / "notes.txt", home / "list.txt"
    return [
        said(agent.write(program, PROGRAM)),
        said(agent.write(notes, "Notes.\n"), agent.write(list_, "1\n2\n"), agent.read(program)),
        said(agent.run(f"python3 {program} 1 2 39")),
        said(agent.run(f"python3 {program} one")),
        said(agent.read(home / "nothing.txt")),
        said(agent.run(f"cat {list_} | xargs python3 {program}")),
        said(agent.run(f"echo 'The sum is 3.' >> {notes}")),
        said(agent.read(notes)),
        said(agent.run(f"wc -c {notes}"), agent.run(f"ls {home}")),
        DONE,
    ]


@pytest.mark.parametrize("name", AGENTS)
async def test_an_agent_reads_writes_and_runs_files_over_many_steps_of_one_conversation(
    tmp_path: Path, chromium: Chromium, name: str
) -> None:
    first, *others = steps(AGENTS[name], tmp_path)
    then: list[dict[str, Any]] = [{"text": text} for text in others]
    async with live(tmp_path, chromium=chromium) as site:
        task = f"Sum what is in the list. {directive(text=first, then=then)}"
        printed = await AGENTS[name].play(site, tmp_path, task)
        turns = site.account().turns
    assert DONE in printed
    assert (tmp_path / "notes.txt").read_text("utf-8") == "Notes.\nThe sum is 3.\n"
    turns = [turn for turn in turns if turn.conversation == turns[-1].conversation]  # another one gives it a title
    assert [turn.parent for turn in turns] == [None, *range(2, 2 * len(turns), 2)]
    assert len(turns) == len(others) + 1
    new = [turn.prompt for turn in turns[1:]]
    assert new[1].count("<tool_result name=") == 3
    assert "42 in all" in new[2]
    assert "ValueError" in new[3]
    assert "3 in all" in new[5]
    assert "The sum is 3." in new[7]
    assert new[8].count("<tool_result name=") == 2
    assert max(map(len, new)) < NEW_ONE_MOST
