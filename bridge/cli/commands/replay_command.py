"""`bridge replay`: decodes recorded streams."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import console, load


def replay(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Responses of one chat, in order.")],
    site: Annotated[str, typer.Option(help="Site whose decoder to use.")] = "deepseek",
) -> None:
    """Decode streams recorded by `serve --record`, and print the events.

    Prints each event with its offset in the file, then what the decoder did not recognize. Exits with 1 on an error.
    """
    from bridge.cli.stream_replay import replay as play

    if not play(files, site, console, load(context).folders.site_files):
        sys.exit(1)
