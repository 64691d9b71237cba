"""`bridge backup` and `bridge restore`: all data of a bridge in one encrypted file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import load, say

STREAM = Path("-")


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; `-` writes to standard output.")],
) -> None:
    """Back up logins, keys, conversations, files and usage, encrypted for the profile key, even while a bridge runs."""
    from bridge.cli.archives import back_up

    text = back_up(load(context), None if file == STREAM else file)
    typer.echo(text, err=True) if file == STREAM else say(text)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Backup to read; `-` reads standard input.")],
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Profile key of the bridge that was backed up; becomes this bridge's key."),
    ] = None,
) -> None:
    """Restore a backup into empty folders, here or on another machine."""
    from bridge.cli.archives import restore_from

    say(restore_from(load(context), None if file == STREAM else file, key_file))
