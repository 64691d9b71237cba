"""Prints the addresses of a bridge that has started, its key, and examples to paste."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.app import Bridge
from bridge.client import curl_line, from_here, named, snippet
from bridge.settings import ServerSettings
from bridge.storage.key_files import KeyFile


def print_access(console: Console, bridge: Bridge, config: Path, server: ServerSettings) -> None:
    """Print the bridge's addresses and how to use it; the key itself only at a terminal, never into a journal."""
    url = named(bridge.url, server)
    file = KeyFile(config)
    key = "" if server.no_auth else next(iter(file.left()), "")
    accounts = ", ".join(bridge.account_names())
    shown = f"{key} ({file.path})" if console.is_terminal else f"in {file.path}; `bridge keys` prints it"
    for label, text in (
        ("Base URL", f"{url}/v1"),
        ("API key", shown if key else "none is asked for" if server.no_auth else "`bridge keys` lists them"),
        *([("Ollama", _ollama(bridge.ollama_url, server))] if bridge.ollama_url else []),
        ("Dashboard", _dashboard(console, bridge, url)),
        ("Accounts", accounts or "none yet; `bridge login NAME` logs one in, and it is served at once"),
    ):
        console.print(Text.assemble((f"{label:11}", "bold"), text), soft_wrap=True)
    if console.is_terminal:
        model = next((model.id for model in bridge.pool.models()), "deepseek-chat")
        print_examples(console, url, key, model)


def _ollama(url: str, server: ServerSettings) -> str:
    """Return the address of the Ollama port, and whether it requires a key."""
    is_free = server.ollama_no_auth or server.no_auth
    return f"{from_here(url)} ({'no API key is asked for' if is_free else 'with the API key'})"


def _dashboard(console: Console, bridge: Bridge, url: str) -> str:
    """Return the address of the dashboard; at a terminal a link that signs in once."""
    path = bridge.sign_in_path()
    if path is None:
        return "turned off (dashboard.enabled)"
    return f"{url}{path} (signs in once, for some minutes)" if console.is_terminal else f"{url}/dashboard"


def print_examples(console: Console, url: str, key: str, model: str) -> None:
    """Print examples that call the bridge at `url`; lines are not wrapped, so they can be pasted."""
    console.print("\n[dim]# in a shell[/]")
    console.print(curl_line(url, key, model), markup=False, soft_wrap=True)
    console.print("\n[dim]# in Python, after `pip install openai`[/]")
    console.print(snippet(url, key, model), markup=False, soft_wrap=True)
