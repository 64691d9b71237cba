"""`bridge accounts`: how the accounts of the running bridge stand, and opening a parked one again at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from bridge.command import Key, Name, Url, console, load, say

accounts = typer.Typer(help="Look at the accounts of the running bridge, or check one.", no_args_is_help=True)


@accounts.command("list")
def show_all(context: typer.Context, url: Url = None, key: Key = None) -> None:
    """List the accounts, and how each stands."""
    from bridge.client import client_of

    show(asyncio.run(client_of(load(context), url, key).accounts()))


@accounts.command()
def check(context: typer.Context, name: Name, url: Url = None, key: Key = None) -> None:
    """Open a parked account again at once, and say what came of it.

    For an account that rests, is muted, challenged or signed out: its page is loaded anew, and nothing is sent. Ends
    with 1 where the account is not ready then.
    """
    from bridge.client import client_of

    account = asyncio.run(client_of(load(context), url, key).check(name))
    say(standing(account))
    if account["state"] != "ready":
        sys.exit(1)


def show(found: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each account."""
    if not found:
        say("There is no account; `bridge login NAME` captures a login.")
        return
    table = Table("Name", "State", "Until", "Reason", box=None, pad_edge=False, header_style="bold")
    for account in found:
        state = f"{account['state']}{', busy' if account['busy'] else ''}"
        table.add_row(*map(Text, (account["name"], state, account["until"] or "", account["reason"])))
    console.print(table)


def standing(account: Mapping[str, Any]) -> str:
    """Return how an account stands, in words."""
    until = f" until {account['until']}" if account["until"] else ""
    reason = f": {account['reason']}" if account["reason"] else "."
    return f"{account['name']} is {account['state']}{until}{reason}"
