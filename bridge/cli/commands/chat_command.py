"""`bridge chat`: a chat in the terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridge.cli.options import Key, Url, console, load, run
from bridge.errors import SetupError


def chat(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="Answer this prompt, then exit.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Model to chat with.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Chat in the terminal.

    Uses the bridge that runs on this machine, or starts one for this chat. Piped text is sent as one prompt.
    """
    from bridge.cli import terminal_chat

    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise SetupError("The prompt is empty; give one as an argument, or pipe one in.")
    run(terminal_chat.chat(load(context), console, prompt, model, url, key))
