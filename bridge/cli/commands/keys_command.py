"""`bridge keys`: API keys and their limits. A running bridge notices a change within a second."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import typer
from rich.table import Table
from rich.text import Text

from bridge.cli.key_options import (
    Accounts,
    Expires,
    Models,
    Parallel,
    RequestsDay,
    RequestsMinute,
    Share,
    TokensDay,
    TokensMinute,
    given_limits,
    shown,
)
from bridge.cli.options import console, flag, load, say
from bridge.errors import SetupError

keys = typer.Typer(help="Print the API keys, one per line; add, limit, list and revoke named ones.")


@keys.callback(invoke_without_command=True)
def show(context: typer.Context, add: Annotated[bool, flag("--add", help="Create one more key.")] = False) -> None:
    """Print the API keys for chats, one per line; named keys are shown only when they are added."""
    from bridge.storage.key_files import KeyFile

    if context.invoked_subcommand is not None:
        if add:
            raise SetupError("Use either `bridge keys --add` or `bridge keys add NAME`.")
        return
    file = KeyFile(load(context).config)
    for key in [file.add()] if add else file.keys():
        say(key)


@keys.command("add")
def add_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the person or program that uses it.")],
    scope: Annotated[
        str,
        typer.Option(
            metavar="SCOPE", help="`chat`: the endpoint; `admin`: also the admin API; `metrics`: only /metrics."
        ),
    ] = "chat",
    expires: Expires = None,
    models: Models = None,
    accounts: Accounts = None,
    requests_per_minute: RequestsMinute = None,
    requests_per_day: RequestsDay = None,
    tokens_per_minute: TokensMinute = None,
    tokens_per_day: TokensDay = None,
    parallel: Parallel = None,
    share: Share = None,
) -> None:
    """Create a named key and print it; it is never shown again."""
    from bridge.storage.key_limits import limits_of
    from bridge.storage.named_keys import Scope

    if scope not in get_args(Scope):
        raise SetupError(f"--scope must be one of {', '.join(get_args(Scope))}, not {scope!r}.")
    limits = limits_of(given_limits(context.params))
    _, text = _store(context).add(name, cast(Scope, scope), limits)
    say(text)


@keys.command("limit")
def limit_key(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `bridge keys list` shows it.")],  # noqa: A002
    expires: Expires = None,
    models: Models = None,
    accounts: Accounts = None,
    requests_per_minute: RequestsMinute = None,
    requests_per_day: RequestsDay = None,
    tokens_per_minute: TokensMinute = None,
    tokens_per_day: TokensDay = None,
    parallel: Parallel = None,
    share: Share = None,
) -> None:
    """Change limits of a named key; limits that are not given stay as they are."""
    given = given_limits(context.params)
    if not given:
        raise SetupError("Give at least one limit; `bridge keys limit --help` lists them.")
    key = _store(context).change(id, given)
    say(f"The key {key.name} has {shown(key.limits.set_ones()) or 'no limits'}.")


@keys.command("list")
def list_keys(context: typer.Context) -> None:
    """List all keys: name, scope, date and last characters, never a key itself."""
    table = Table("Id", "Name", "Scope", "Created", "Ends in", "Limits", box=None, pad_edge=False, header_style="bold")
    for key in _store(context).all():
        created = f"{key.created:%Y-%m-%d %H:%M} UTC" if key.created else ""
        table.add_row(*map(Text, (key.id, key.name, key.scope, created, key.hint, shown(key.limits.set_ones()))))
    console.print(table)


@keys.command("revoke")
def revoke_key(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `bridge keys list` shows it.")],  # noqa: A002
) -> None:
    """Revoke a key; requests with it are refused from then on."""
    key = _store(context).revoke(id)
    say(f"The key {key.name} is revoked.")


def _store(context: typer.Context) -> Any:
    from bridge.storage.api_keys import KeyStore

    return KeyStore(load(context).config)
