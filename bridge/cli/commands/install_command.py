"""`bridge install`: the Chromium that the bridge runs."""

from __future__ import annotations

import typer

from bridge.cli.options import load, say


def install(context: typer.Context) -> None:
    """Install Chromium if there is none, and print the path of the one in use."""
    from bridge.browser import chromium

    say(str(chromium.install(load(context).browser, say)))
