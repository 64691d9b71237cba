"""`bridge dashboard`: a link that signs in to the dashboard."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.options import Key, Url, admin_client, flag, run, say


def dashboard(
    context: typer.Context,
    browser: Annotated[bool, flag("--open", help="Also open it in a browser.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print a link that signs in to the running bridge's dashboard; it works once, for some minutes."""
    link = run(admin_client(context, url, key).link("/dashboard"))["url"]
    say(link)
    if browser:
        from bridge.cli.display import need_display

        need_display("Open the link elsewhere.")
        typer.launch(link)
