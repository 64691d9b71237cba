"""Coding agents: how each is started and set up, and how its tools write files, read them, and run commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.running import example, run
from tests.support.live import Live, called

MODEL = "deepseek-chat"
Use = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""


@dataclass(frozen=True)
class Agent:
    """One agent."""

    command: tuple[str, ...]
    setting: Callable[[Live, Path], dict[str, str]]
    """Writes its settings into the home, and returns its environment."""
    write: Callable[[Path, str], Use]
    read: Callable[[Path], Use]
    run: Callable[[str], Use]
    is_piped: bool = True
    """Whether it takes its task from its input, and not as an argument."""

    async def play(self, site: Live, home: Path, task: str, *options: str) -> str:
        """Return what it prints about a task."""
        given, stdin = ([], task) if self.is_piped else ([task], "")
        return await run(site, home, *self.command, *options, *given, stdin=stdin, **self.setting(site, home))


def said(*uses: Use) -> str:
    """Return tool calls as the bridge asks the model to write them."""
    return "\n".join(called(name, **arguments) for name, arguments in uses)


def claude_code(site: Live, _home: Path) -> dict[str, str]:
    lines = example(site, "claude-code.env").splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line)
    return {**given, "DISABLE_AUTOUPDATER": "1", "IS_SANDBOX": "1"}  # in a sandbox it lets root skip its questions


def codex(site: Live, home: Path) -> dict[str, str]:
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(example(site, "codex.toml"), "utf-8")
    return {"BRIDGE_API_KEY": site.key}


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


def cline(site: Live, home: Path) -> dict[str, str]:
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


AGENTS = {
    "claude-code": Agent(
        ("claude", "--dangerously-skip-permissions", "-p"),
        claude_code,
        lambda path, text: ("Write", {"file_path": str(path), "content": text}),
        lambda path: ("Read", {"file_path": str(path)}),
        lambda command: ("Bash", {"command": command, "description": "Run it"}),
    ),
    "codex": Agent(
        ("codex", "exec", "--skip-git-repo-check", "-s", "danger-full-access"),
        codex,
        lambda path, text: ("exec_command", {"cmd": f"cat > {path} <<'END'\n{text}END"}),
        lambda path: ("exec_command", {"cmd": f"cat {path}"}),
        lambda command: ("exec_command", {"cmd": command}),
        is_piped=False,
    ),
    "opencode": Agent(
        ("opencode", "run"),
        opencode,
        lambda path, text: ("write", {"filePath": str(path), "content": text}),
        lambda path: ("read", {"filePath": str(path)}),
        lambda command: ("bash", {"command": command, "description": "Run it"}),
    ),
    "qwen-code": Agent(
        ("qwen", "--auth-type", "openai", "--yolo"),
        qwen,
        lambda path, text: ("write_file", {"file_path": str(path), "content": text}),
        lambda path: ("read_file", {"file_path": str(path)}),
        lambda command: ("run_shell_command", {"command": command, "is_background": False}),
    ),
    "pi": Agent(
        ("pi", "--provider", "bridge", "--model", MODEL, "--no-session", "-p"),
        pi,
        lambda path, text: ("write", {"path": str(path), "content": text}),
        lambda path: ("read", {"path": str(path)}),
        lambda command: ("bash", {"command": command}),
    ),
    "continue": Agent(
        ("cn", "--config", "config.yaml", "--auto", "-p"),
        continue_cli,
        lambda path, text: ("Write", {"filepath": str(path), "content": text}),
        lambda path: ("Read", {"filepath": str(path)}),
        lambda command: ("Bash", {"command": command}),
        is_piped=False,
    ),
    "cline": Agent(
        ("cline", "--json"),
        cline,
        lambda path, text: ("editor", {"path": str(path), "new_text": text}),
        lambda path: ("read_files", {"files": [{"path": str(path)}]}),
        lambda command: ("run_commands", {"commands": [command]}),
        is_piped=False,
    ),
}
