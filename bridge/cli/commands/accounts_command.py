"""`bridge accounts`: the states of the running bridge's accounts, and the operator's actions on them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bridge.cli.options import Key, Name, Url, admin_client, confirmed, console, flag, run, say
from bridge.errors import SetupError

accounts = typer.Typer(help="List and control the accounts of the running bridge.", no_args_is_help=True)


@accounts.command("list")
def show_all(context: typer.Context, url: Url = None, key: Key = None) -> None:
    """List the accounts and their states."""
    show(run(admin_client(context, url, key).accounts()))


@accounts.command()
def check(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Check the state of an account now.

    Opens the page of an account that rests or is muted, challenged or signed out; sends nothing. Exits with 1 if the
    account is not ready afterwards.
    """
    account = _act(context, name, "check", url, key)
    if account["state"] != "ready":
        sys.exit(1)


@accounts.command()
def pause(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Stop giving an account new chats until it is resumed, even after a restart; its running chat goes on."""
    _act(context, name, "pause", url, key)


@accounts.command()
def resume(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Let a paused account take chats again."""
    _act(context, name, "resume", url, key)


@accounts.command()
def wake(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Open the page of a sleeping account now, before a chat needs it."""
    _act(context, name, "wake", url, key)


@accounts.command()
def sleep(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Close the page of an account after its running chat, until a chat needs it; the account stays signed in."""
    _act(context, name, "sleep", url, key)


@accounts.command()
def reopen(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Close an account after its running chat, and open it again from its stored login."""
    _act(context, name, "reopen", url, key)


@accounts.command()
def rename(
    context: typer.Context,
    name: Name,
    to: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Rename an account and its profile; it keeps its conversations."""
    say(run(admin_client(context, url, key).rename(name, to))["message"])


@accounts.command()
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, flag("--yes", "-y", help="Do not ask for confirmation.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """End an account's chat, close it, and delete its profile; the account stays signed in on the site."""
    if not (yes or confirmed(f"Close the account {name} and delete its profile?")):
        raise SetupError(f"The account {name} was not removed; give --yes to remove it without confirmation.")
    say(run(admin_client(context, url, key).remove(name))["message"])


def _act(context: typer.Context, name: str, action: str, url: str | None, key: str | None) -> Mapping[str, Any]:
    done = run(admin_client(context, url, key).act(name, action))
    say(done["message"])
    account: Mapping[str, Any] = done["account"]
    return account


def show(found: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each account."""
    from bridge.cli.status_rows import state_with_flags

    if not found:
        say("There is no account; `bridge login NAME` captures a login.")
        return
    has_nodes = any("node" in account for account in found)
    node = ("Node",) if has_nodes else ()
    table = Table("Name", *node, "State", "Until", "Reason", box=None, pad_edge=False, header_style="bold")
    for account in found:
        place = (account.get("node", ""),) if has_nodes else ()
        facts = (account["name"], *place, state_with_flags(account), account["until"] or "", account["reason"])
        table.add_row(*map(Text, facts))
    console.print(table)
