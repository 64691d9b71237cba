"""`bridge doctor`: checks of the whole installation."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridge.cli.options import console, flag, load, run


def doctor(
    context: typer.Context,
    site: Annotated[bool, flag("--site", help="Check only the browser and the accounts' pages.")] = False,
    send: Annotated[bool, flag("--send", help="Also send one short chat with each account.")] = False,
) -> None:
    """Check the installation, and say what to fix.

    Checks the settings, keys, logins and browser, and on each account's page all controls and the protocol in its
    scripts. Sends no chat without --send.
    """
    from bridge.cli.doctor_report import run_checks

    if not run(run_checks(load(context), context.obj, console, site=site, send=send)):
        sys.exit(1)
