"""`bridge learn`: the site file of a chat page, from one chat on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import IN_A_WINDOW, flag, load, run, say


def learn(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of an empty chat of the site.")],
    name: Annotated[str | None, typer.Option(help="Name of the site; by default from its address.")] = None,
    account: Annotated[
        str | None, typer.Option(help="Profile to sign in with, if it exists; the login is stored in it.")
    ] = None,
    auto: Annotated[bool, flag("--auto", help="Also send the first prompt automatically; needs no screen.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write; by default NAME.toml.")] = None,
) -> None:
    """Write the site file of a chat page by watching one chat on it.

    A browser window opens. Sign in if the page asks for it, then type the prompt that the command prints, and send it.
    The bridge then sends up to ten more prompts, most of them to learn switches and models, writes the file, and tests
    it with three or four chats. For each field it reports whether it is certain, guessed, or needs your input. It types
    nothing into pages of other sites.
    """
    from bridge.cli.display import need_display
    from bridge.cli.site_lesson import teach

    if not auto:
        need_display("Use `ssh -X` or `xvfb-run`; or --auto, with --account for a page that asks to sign in.")
    settings = load(context, browser={} if auto else IN_A_WINDOW)
    run(teach(settings, url, name, account, out, say, is_auto=auto))
