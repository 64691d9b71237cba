"""`bridge sites`: the sites that the bridge supports, and site files that add more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import check_is_alone, console, flag, load, run, say

sites = typer.Typer(
    help="List the supported sites; show a site; check, begin or repair a site file.", no_args_is_help=True
)


@sites.command("list")
def list_sites(context: typer.Context) -> None:
    """List the sites by their names for `bridge login --site`, including your own site files."""
    from bridge.cli.site_list import show_sites

    show_sites(load(context).folders.site_files, console)


@sites.command()
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the site.")]
) -> None:
    """Show a site: its address and models, where it is defined, and which parts its site file leaves out."""
    from bridge.cli.site_list import show_site

    show_site(name, load(context).folders.site_files, console)


@sites.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Site file.")]) -> None:
    """Check a site file: list each wrong field with its remedy, and the parts that the file leaves out.

    Exits with 1 if a field is wrong.
    """
    from bridge.cli.site_list import check_file

    if not check_file(file, console):
        sys.exit(1)


@sites.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the site, as `bridge login --site` takes it.")],
    url: Annotated[str, typer.Option(metavar="BASE", help="Address of the site.")] = "https://chat.example.com",
) -> None:
    """Write a commented template of a site file into your own folder of site files."""
    from bridge.cli.site_list import write_template

    path = write_template(name, url, load(context).folders.site_files)
    say(f"Wrote {path}. Fill it in, then: bridge sites check {path}")


@sites.command()
def heal(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the site, or path of its file.")],
    account: Annotated[
        str | None, typer.Option(help="Profile whose page to open; by default the first one of the site.")
    ] = None,
    write: Annotated[bool, flag("--write", help="Write the repaired file into your own folder of site files.")] = False,
) -> None:
    """Find controls that a site has moved, and show the change that its site file needs.

    Opens the page of an account. A control that the file's selectors do not find is searched for by its role, its name
    and its place beside the text box. A word is typed into the text box, because some buttons appear only then, and
    removed again; nothing is sent, and nothing is written without --write. Exits with 1 if a control is not found.
    """
    from bridge.cli.site_repair import repair

    settings = load(context)
    check_is_alone(settings.cluster)
    if not run(repair(settings, name, account, console, is_written=write)):
        sys.exit(1)
