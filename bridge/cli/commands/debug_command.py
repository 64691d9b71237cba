"""`bridge debug`: what the bridge sees while a person uses the page by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.options import IN_A_WINDOW, Name, check_is_alone, console, flag, load, run


def debug(
    context: typer.Context,
    name: Name,
    text: Annotated[bool, flag("--text", help="Also print the texts of answers.")] = False,
    headless: Annotated[bool, flag("--headless", help="Open no window.")] = False,
) -> None:
    """Show what the bridge sees while you use an account's page by hand.

    Opens the account's page with developer tools. Chat in it; the command prints requests, responses and events as they
    come, without their texts unless --text is given.
    """
    from bridge.cli.display import need_display
    from bridge.cli.listing import readable_profiles
    from bridge.cli.page_report import watch

    if not headless:
        need_display("Use `ssh -X` or `xvfb-run`; or --headless, which only prints.")
    settings = load(context, browser={"headed": False, "shell": False} if headless else IN_A_WINDOW)
    check_is_alone(settings.cluster)
    profile = readable_profiles(settings.profiles, settings.key_source).load(name)
    run(watch(settings.pages, profile, console, show_text=text))
