"""Coding agents work on files by their own tools, asked by the model on the site."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from tests.clients.running import claude_code, example, run
from tests.support.live import Live, called, directive, live

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
    is_piped: bool = True
    """Whether it takes its task from its input, and not as an argument."""


def opencode(site: Live, _home: Path) -> dict[str, str]:
    config = {**json.loads(example(site, "opencode.json")), "autoupdate": False, "share": "disabled"}
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


def pi(site: Live, home: Path) -> dict[str, str]:
    provider = {
        "baseUrl": f"{site.bridge.url}/v1",
        "api": "openai-completions",
        "apiKey": site.key,
        "models": [{"id": MODEL}],
    }
    (home / ".pi/agent").mkdir(parents=True)
    (home / ".pi/agent/models.json").write_text(json.dumps({"providers": {"bridge": provider}}), "utf-8")
    return {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1"}


def continue_cli(site: Live, home: Path) -> dict[str, str]:
    (home / "config.yaml").write_text(example(site, "continue.yaml"), "utf-8")
    return {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_CLI_ENABLE_TELEMETRY": "0"}


def calling(calls: Sequence[tuple[str, dict[str, Any]]], seed: int | None) -> dict[str, Any]:
    """Return a script that calls tools: in the notation that is asked for, or in the native one that `seed` spells."""
    if seed is None:
        return {"text": "\n".join(called(name, **arguments) for name, arguments in calls)}
    return {"calls": [{"name": name, "arguments": arguments} for name, arguments in calls], "seed": seed}


AGENTS = {
    "opencode": Agent(("opencode", "run"), opencode, "write", "read", "filePath"),
    "qwen-code": Agent(("qwen", "--auth-type", "openai", "--yolo"), qwen, "write_file", "read_file", "file_path"),
    "pi": Agent(("pi", "--provider", "bridge", "--model", MODEL, "--no-session", "-p"), pi, "write", "read", "path"),
    "continue": Agent(
        ("cn", "--config", "config.yaml", "--auto", "-p"), continue_cli, "Write", "Read", "filepath", False
    ),
    "claude-code": Agent(
        ("claude", "--dangerously-skip-permissions", "-p"),
        lambda site, _: claude_code(site),
        "Write",
        "Read",
        "file_path",
    ),
}


@pytest.mark.parametrize(
    ("name", "seed"), [*((name, None) for name in AGENTS), *zip(AGENTS, (1, 2, 3, 4, 5), strict=True)]
)
async def test_an_agent_given_a_whole_book_writes_files_and_reads_them(
    tmp_path: Path, chromium: Chromium, name: str, seed: int | None
) -> None:
    agent = AGENTS[name]
    first, second = (tmp_path / file for file in ("poem.txt", "copy.txt"))
    write = [(agent.write, {agent.path: str(path), "content": POEM}) for path in (first, second)]
    read = [(agent.read, {agent.path: str(first)})]
    task = directive(**calling(write, seed), then=[calling(read, seed), {"text": "Both are written."}])
    told = f"{BOOK}\nWrite a poem, twice. {task}"
    async with live(tmp_path, chromium=chromium) as site:
        said = await run(
            site,
            tmp_path,
            *agent.command,
            *([] if agent.is_piped else [told]),
            stdin=told if agent.is_piped else "",
            **agent.setting(site, tmp_path),
        )
        turns = site.account().turns
    assert (first.read_text("utf-8"), second.read_text("utf-8")) == (POEM, POEM)
    assert "Both are written." in said
    turns = [turn for turn in turns if turn.conversation == turns[-1].conversation]  # another one gives it a title
    assert BOOK in turns[0].prompt
    assert [turn.parent for turn in turns] == [None, 2, 4]
    assert turns[1].prompt.count("<tool_result name=") == 2
    assert "Roses are red" in turns[2].prompt
