"""`bridge doctor`: checks of the whole installation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridge.cli.options import console, flag, load, run


def doctor(
    context: typer.Context,
    site: Annotated[bool, flag("--site", help="Look only at the browser and the accounts' pages.")] = False,
    send: Annotated[bool, flag("--send", help="Send one short chat with each account, too.")] = False,
) -> None:
    """Check everything, and say what to do.

    Looks at settings, keys, logins, the browser, and on each account's page at every control and at the protocol of its
    scripts. It sends no chat unless asked to.
    """
    from bridge.cli.doctor_report import examine

    if not run(examine(load(context), context.obj, console, site=site, send=send)):
        sys.exit(1)
