"""`bridge login`: one login of one account, by a person, a form, a token or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import Name, flag, load, run, say
from bridge.errors import SetupError


def login(
    context: typer.Context,
    name: Name,
    site: Annotated[str, typer.Option(help="Site of the account.")] = "deepseek",
    url: Annotated[str | None, typer.Option(help="Where the site is, if not at its usual place.")] = None,
    form: Annotated[bool, flag("--form", help="Fill the site's password form; needs no screen.")] = False,
    user: Annotated[str | None, typer.Option(help="User name for --form; asked for when left out.")] = None,
    keep_browser: Annotated[bool, flag("--keep-browser", help="Keep the browser's folder, not a copy.")] = False,
    token: Annotated[bool, flag("--token", help="Take a userToken of the site; it is asked for.")] = False,
    state: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take a storage state in Playwright's form.")
    ] = None,
) -> None:
    """Sign in to an account once, and keep the login.

    With a screen a window opens; without one a link to a view of the page is printed, for any browser. With --form the
    password is asked for, or taken from the variable BRIDGE_PASSWORD; with --token the userToken, or BRIDGE_TOKEN. Both
    may stand in a file `.env`. --keep-browser is for sites whose login no copy holds: the account gets a browser of its
    own, whose folder stands unencrypted in the config folder.
    """
    from bridge.cli import local_login, login_sources
    from bridge.cli.display import has_display

    if sum((form, token, state is not None)) > 1:
        raise SetupError("Take one of --form, --token and --import.")
    where = (name, site, url)
    if token:
        say(run(login_sources.take_token(load(context), *where)))
    elif state is not None:
        say(run(login_sources.take_state(load(context), *where, state)))
    elif form or has_display():
        settings, credentials = (
            load(context, browser={} if form else {"headed": True, "shell": False}),
            local_login.ask(user) if form else None,
        )
        run(local_login.sign_in(settings, *where, credentials, say, keep_browser=keep_browser))
    else:
        from bridge.cli.login_link import log_in_remotely

        run(log_in_remotely(load(context), *where, say, keep_browser=keep_browser))
