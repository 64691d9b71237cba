"""The annotated settings file of the examples: every setting, commented out, with its default and what it is."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bridge.settings import Section, Settings

HEAD = """\
# All settings of the bridge, each with what it is and its default. Copy this file to `bridge.toml` in the folder where
# the bridge starts, and remove the `#` in front of a line that you change. What has no default stands with an example.
"""
EXAMPLES: dict[str, Any] = {
    "profile_key_file": "/run/secrets/profile.key",
    "profile_key": "AGE-SECRET-KEY-1...",
    "server.allowed_hosts": ["bridge.example.com"],
    "server.tls_certificate": "/etc/bridge/fullchain.pem",
    "server.tls_key": "/etc/bridge/privkey.pem",
    "server.ollama_port": 11434,
    "browser.executable": "/usr/bin/chromium",
    "browser.channel": "chrome",
    "browser.connect": "http://127.0.0.1:9222",
    "browser.connect_hosts": ["chromium.internal"],
    "browser.sandbox": False,
    "browser.args": ["--proxy-server=http://proxy.internal:3128"],
    "browser.trace": "traces",
    "browser.record": "streams",
    "sleep.max_open": 8,
    "sleep.max_memory": 4000,
    "pool.turns_per_hour": 40,
    "pool.turns_per_day": 200,
    "pool.min_interval": 5.0,
    "conversations.delete_after": 30.0,
    "api.aliases": {"gpt-4o": "deepseek-chat"},
    "api.allowed_origins": ["https://chat.example.com"],
    "tokens.url": "https://chat.example.com",
    "cluster.url": "redis://10.0.0.2:6379",
    "cluster.node": "node-a",
    "cluster.key": "a long secret, the same on all nodes",
    "cluster.address": "http://10.0.0.5:8100",
    "cluster.max_accounts": 20,
    "files.prompt_limit": 1_000_000,
    "files.folder": "/var/lib/bridge/files",
}
"""Values of the settings that have no default."""
WIDTH = 118


def text() -> str:
    """Return the whole file."""
    return "\n".join((HEAD, *_lines())).rstrip() + "\n"


def _lines() -> Iterator[str]:
    sections = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            sections.append((name, field.default))
        else:
            yield from _setting(name, name, field.default, field.description or "")
    for name, section in sections:
        yield from (f"[{name}]", *(f"# {line}" for line in textwrap.wrap(type(section).__doc__ or "", WIDTH)), "")
        for inner, item in type(section).model_fields.items():
            yield from _setting(f"{name}.{inner}", inner, item.default, item.description or "")


def _setting(name: str, key: str, default: Any, description: str) -> Iterator[str]:
    has_none = default in (None, (), {})
    about = f"{description}; an example:" if has_none else description
    yield from (f"# {line}" for line in textwrap.wrap(about, WIDTH))
    yield f"#{key} = {_toml(EXAMPLES[name] if has_none else default)}"
    yield ""


def _toml(value: Any) -> str:
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
        case Path() if value.is_relative_to(Path.home()):
            return f'"~/{value.relative_to(Path.home())}"'
        case Path() | SecretStr():
            return json.dumps(str(value))
        case _:
            return json.dumps(value)
