"""`bridge serve`: the endpoint, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from bridge.cli.options import console, flag, given_only, load, run


class ServeCommand(TyperCommand):
    """A command whose help ends with the list of all settings."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        from bridge.cli.listing import show_settings

        super().format_help(ctx, formatter)
        show_settings(console)


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    headed: Annotated[bool | None, flag("--headed", help="Show the browser's windows.")] = None,
    no_auth: Annotated[bool | None, flag("--no-auth", help="Require no API key.")] = None,
    slow_mo: Annotated[
        float | None, typer.Option(metavar="MS", help="Slow down each step in the browser, for watching.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a Playwright trace of each chat to this folder.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the raw response streams of each chat to this folder.")
    ] = None,
    profiles: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the captured logins.")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Start the bridge: serve the endpoint with all captured logins."""
    from bridge.app import serve as serve_until_stopped
    from bridge.cli.announcement import print_access

    settings = load(
        context,
        quiet=False,
        server=given_only(host=host, port=port, no_auth=no_auth),
        browser=given_only(headed=headed, slow_mo=slow_mo, trace=trace, record=record),
        log=given_only(level=log_level and log_level.upper()),
        **given_only(profiles=profiles),
    )
    run(serve_until_stopped(settings, lambda bridge: print_access(console, bridge, settings.config, settings.server)))
