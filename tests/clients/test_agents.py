"""Coding agents get a prompt of 80,000 characters, and tools called in the model's native notation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from tests.clients.agents import AGENTS, Use
from tests.support.live import directive, live

BOOK = "".join(f"Line {number} of a long book.\n" for number in range(4000))[:80_000]
POEM = 'Roses are red,\n\tviolets are "blue"; Zuckerstück 🚀 <b>&amp;</b>\n'


def calling(uses: list[Use], seed: int) -> dict[str, Any]:
    """Return a script that calls tools in the model's native notation, as `seed` spells it."""
    return {"calls": [{"name": name, "arguments": arguments} for name, arguments in uses], "seed": seed}


@pytest.mark.parametrize(("seed", "name"), [*enumerate(AGENTS, 1)])
async def test_an_agent_given_a_whole_book_writes_files_and_reads_them(
    tmp_path: Path, chromium: Chromium, name: str, seed: int
) -> None:
    agent = AGENTS[name]
    first, second = (tmp_path / file for file in ("poem.txt", "copy.txt"))
    write, read = [agent.write(path, POEM) for path in (first, second)], [agent.read(first)]
    task = directive(**calling(write, seed), then=[calling(read, seed), {"text": "Both are written."}])
    async with live(tmp_path, chromium=chromium) as site:
        printed = await agent.play(site, tmp_path, f"{BOOK}\nWrite a poem, twice. {task}")
        turns = site.account().turns
    assert (first.read_text("utf-8"), second.read_text("utf-8")) == (POEM, POEM)
    assert "Both are written." in printed
    turns = [turn for turn in turns if turn.conversation == turns[-1].conversation]  # another one gives it a title
    assert BOOK in turns[0].prompt
    assert [turn.parent for turn in turns] == [None, 2, 4]
    assert turns[1].prompt.count("<tool_result name=") == 2
    assert "Roses are red" in turns[2].prompt
