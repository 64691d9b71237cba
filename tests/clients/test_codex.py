"""Codex works on files over many steps, asked by the model on the site; it speaks the Responses API alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.browser.browser import Chromium
from tests.clients.running import example, run
from tests.support.live import called, directive, live

POEM = "Roses are red,\nviolets are blue.\n"


COMMAND = ("codex", "exec", "--skip-git-repo-check", "-s", "danger-full-access")


def step(*commands: str) -> dict[str, Any]:
    """Return a script that runs commands in parallel."""
    return {"text": "\n".join(called("exec_command", cmd=one) for one in commands)}


async def test_codex_reads_writes_and_runs_files_over_many_steps(tmp_path: Path, chromium: Chromium) -> None:
    steps = [
        step("printf 'Roses are red,\\n' > poem.txt"),
        step("cat poem.txt"),
        step("printf 'violets are blue.\\n' >> poem.txt"),
        step("cp poem.txt copy.txt", "printf 'print(6 * 7)' > run.py"),
        step("cat nothing-here.txt"),
        step("python3 run.py"),
        step("wc -l poem.txt copy.txt"),
        step("rm run.py"),
    ]
    task = directive(**steps[0], then=[*steps[1:], {"text": "All is done."}])
    async with live(tmp_path, chromium=chromium) as site:
        (tmp_path / ".codex").mkdir()
        (tmp_path / ".codex/config.toml").write_text(example(site, "codex.toml"), "utf-8")
        said = await run(site, tmp_path, *COMMAND, f"Write a poem. {task}", BRIDGE_API_KEY=site.key)
        turns = site.account().turns
    assert (tmp_path / "poem.txt").read_text("utf-8") == POEM
    assert (tmp_path / "copy.txt").read_text("utf-8") == POEM
    assert not (tmp_path / "run.py").exists()
    assert "All is done." in said
    assert [turn.parent for turn in turns] == [None, *range(2, 2 * len(steps) + 1, 2)]
    results = [turn.prompt for turn in turns[1:]]
    assert results[3].count("<tool_result name=") == 2
    assert "No such file" in results[4]
    assert "42" in results[5]
    assert all(len(prompt) < len(turns[0].prompt) / 10 for prompt in results)
