"""`bridge login`: captures the login of an account, from a person, a form, a token or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import IN_A_WINDOW, Name, flag, load, run, say
from bridge.errors import SetupError


def login(
    context: typer.Context,
    name: Name,
    site: Annotated[str, typer.Option(help="Site of the account.")] = "deepseek",
    url: Annotated[str | None, typer.Option(help="Address of the site, if not the usual one.")] = None,
    form: Annotated[bool, flag("--form", help="Fill the site's password form; needs no screen.")] = False,
    user: Annotated[str | None, typer.Option(help="User name for --form; prompted for if left out.")] = None,
    keep_browser: Annotated[
        bool, flag("--keep-browser", help="Keep the browser's own folder instead of a copy of the login.")
    ] = False,
    token: Annotated[bool, flag("--token", help="Import a userToken of the site; it is prompted for.")] = False,
    state: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Import a storage state of Playwright.")
    ] = None,
) -> None:
    """Sign in to an account once, and store the login.

    With a screen, a browser window opens on this machine. Without one, the command prints a link that shows the
    sign-in page in any browser. --form prompts for the password or reads the variable BRIDGE_PASSWORD; --token prompts
    for the userToken or reads BRIDGE_TOKEN; both variables may be in a file `.env`. --keep-browser is for sites whose
    login cannot be copied: the account gets its own browser, whose folder is stored unencrypted in the config folder.
    """
    from bridge.cli import local_login, login_sources
    from bridge.cli.display import has_display

    if sum((form, token, state is not None)) > 1:
        raise SetupError("Give only one of --form, --token and --import.")
    where = (name, site, url)
    if token:
        say(run(login_sources.import_token(load(context), *where)))
    elif state is not None:
        say(run(login_sources.import_state(load(context), *where, state)))
    elif form or has_display():
        settings, credentials = (
            load(context, browser={} if form else IN_A_WINDOW),
            local_login.ask(user) if form else None,
        )
        run(local_login.sign_in(settings, *where, credentials, say, keep_browser=keep_browser))
    else:
        from bridge.cli.login_link import log_in_remotely

        run(log_in_remotely(load(context), *where, say, keep_browser=keep_browser))
