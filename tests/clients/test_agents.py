"""Coding agents work on files by their own tools, asked by the model on the site."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.browser import Chromium
from tests.clients.running import run
from tests.live import Live, called, directive, live

MODEL = "deepseek-chat"
BOOK = "".join(f"Line {number} of a long book.\n" for number in range(4000))[:80_000]
POEM = 'Roses are red,\n\tviolets are "blue"; Zuckerstück 🚀 <b>&amp;</b>\n'


@dataclass(frozen=True)
class Agent:
    """How an agent is started and set up, and what its tools and their arguments are called."""

    command: tuple[str, ...]
    setting: Callable[[Live, Path], dict[str, str]]
    write: str
    read: str
    path: str


def opencode(site: Live, _home: Path) -> dict[str, str]:
    options = {"baseURL": f"{site.bridge.url}/v1", "apiKey": site.key}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {MODEL: {}}}
    config = {"provider": {"bridge": provider}, "model": f"bridge/{MODEL}", "autoupdate": False, "share": "disabled"}
    off = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(config), **{f"OPENCODE_DISABLE_{what}": "1" for what in off}}


def qwen(site: Live, home: Path) -> dict[str, str]:
    off = {
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    (home / ".qwen").mkdir()
    (home / ".qwen/settings.json").write_text(json.dumps(off), "utf-8")
    return {"OPENAI_BASE_URL": f"{site.bridge.url}/v1", "OPENAI_API_KEY": site.key, "OPENAI_MODEL": MODEL}


AGENTS = {
    "opencode": Agent(("opencode", "run"), opencode, "write", "read", "filePath"),
    "qwen-code": Agent(("qwen", "--auth-type", "openai", "--yolo"), qwen, "write_file", "read_file", "file_path"),
}


@pytest.mark.parametrize("name", AGENTS)
async def test_an_agent_given_a_whole_book_writes_files_and_reads_them(
    tmp_path: Path, chromium: Chromium, name: str
) -> None:
    agent = AGENTS[name]
    first, second = (tmp_path / file for file in ("poem.txt", "copy.txt"))
    written = (called(agent.write, **{agent.path: str(path), "content": POEM}) for path in (first, second))
    read = called(agent.read, **{agent.path: str(first)})
    task = directive(text="\n".join(written), then=[{"text": read}, {"text": "Both are written."}])
    async with live(tmp_path, chromium=chromium) as site:
        said = await run(
            site,
            tmp_path,
            *agent.command,
            stdin=f"{BOOK}\nWrite a poem, twice. {task}",
            **agent.setting(site, tmp_path),
        )
        turns = site.account().turns
    assert (first.read_text("utf-8"), second.read_text("utf-8")) == (POEM, POEM)
    assert "Both are written." in said
    turns = [turn for turn in turns if turn.conversation == turns[-1].conversation]  # another one gives it a title
    assert BOOK in turns[0].prompt
    assert [turn.parent for turn in turns] == [None, 2, 4]
    assert turns[1].prompt.count("<tool_result") == 2
    assert "Roses are red" in turns[2].prompt
