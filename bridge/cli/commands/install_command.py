"""`bridge install`: the Chromium that the bridge runs."""

from __future__ import annotations

import typer

from bridge.cli.options import load, say


def install(context: typer.Context) -> None:
    """Make sure that there is a Chromium, and print which one."""
    from bridge.browser import chromium

    say(str(chromium.install(load(context).browser, say)))
