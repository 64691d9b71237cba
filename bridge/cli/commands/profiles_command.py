"""`bridge profiles`: the captured logins on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import Name, confirmed, console, flag, load, run, say
from bridge.errors import SetupError

profiles = typer.Typer(help="List, show, import or remove captured logins.", no_args_is_help=True)


@profiles.command("list")
def list_profiles(context: typer.Context) -> None:
    """List the captured logins."""
    from bridge.cli.listing import readable_profiles, show_list

    settings = load(context)
    show_list(readable_profiles(settings.profiles, settings.key_source), console)


@profiles.command()
def show(context: typer.Context, name: Name) -> None:
    """Show the contents of a captured login: names and ages, never a value."""
    from bridge.cli.listing import readable_profiles, show_one

    settings = load(context)
    show_one(readable_profiles(settings.profiles, settings.key_source).load(name), console)


@profiles.command("import")
def import_profile(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Profile file from another machine.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the profile here; by default its own.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Profile key of the other machine, if it has another one.")
    ] = None,
) -> None:
    """Import a profile from another machine: test it on the site, and encrypt it with this machine's key."""
    from bridge.cli import login_sources

    say(run(login_sources.import_profile(load(context), file, name, key_file)))


@profiles.command()
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, flag("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a captured login; the account stays signed in on the site."""
    from bridge.cli.listing import readable_profiles
    from bridge.storage.browser_folders import remove_profile

    settings = load(context)
    store = readable_profiles(settings.profiles, settings.key_source)
    if store.exists(name) and not (yes or confirmed(f"Delete the profile {name}?")):
        raise SetupError(f"The profile {name} was not deleted; give --yes to delete it without confirmation.")
    remove_profile(settings.folders.browsers, store, name)
    if settings.cluster.url is None:
        say(f"Removed {name}.")
    else:
        say(f"Removed the copy of {name} on this node; `bridge accounts remove {name}` ends the account on all nodes.")
