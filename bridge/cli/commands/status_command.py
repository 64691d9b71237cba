"""`bridge status`: accounts, queue and chats of the running bridge, as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.options import Key, Url, admin_client, console, flag, run


def status(
    context: typer.Context,
    as_json: Annotated[bool, flag("--json", help="Print everything once, as JSON.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Watch the accounts, the queue and the chats of the running bridge.

    At a terminal the table updates until Ctrl-C; elsewhere it is printed once.
    """
    from bridge.cli.status_table import show

    run(show(admin_client(context, url, key), console, as_json=as_json))
