"""`bridge sites`: the sites that the bridge knows, and files that describe more of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import check_is_alone, console, flag, load, run, say

sites = typer.Typer(
    help="List the sites that the bridge knows; show, check, begin or heal a site file.", no_args_is_help=True
)


@sites.command("list")
def list_sites(context: typer.Context) -> None:
    """List the sites by the names that `bridge login --site` takes, your own files included."""
    from bridge.cli.site_list import show_sites

    show_sites(load(context).folders.site_files, console)


@sites.command()
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the site.")]
) -> None:
    """Show what a site is: its models, where it is described, and what is left out of that."""
    from bridge.cli.site_list import show_site

    show_site(name, load(context).folders.site_files, console)


@sites.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Site file.")]) -> None:
    """Name each field of a site file that is wrong and what to do, and what the file leaves out.

    Exits with 1 where anything is wrong.
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
    """Begin a site file in your own folder of site files, with a comment beside each part."""
    from bridge.cli.site_list import write_template

    path = write_template(name, url, load(context).folders.site_files)
    say(f"Wrote {path}. Fill it in, then: bridge sites check {path}")


@sites.command()
def heal(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the site, or path of its file.")],
    account: Annotated[
        str | None, typer.Option(help="Profile whose page is looked at; by default the first one of the site.")
    ] = None,
    write: Annotated[bool, flag("--write", help="Write the repaired file into your own folder of site files.")] = False,
) -> None:
    """Look for controls that a site has moved, and show how its site file would have to change.

    Opens the page of an account. What the selectors of the file do not find is looked for by its role, its name and its
    place beside the text box. A word is typed into the text box, because some buttons come only then, and taken out
    again; nothing is sent, and nothing is written without --write. Exits with 1 where a control is found nowhere.
    """
    from bridge.cli.site_repair import repair

    settings = load(context)
    check_is_alone(settings.cluster)
    if not run(repair(settings, name, account, console, is_written=write)):
        sys.exit(1)
