"""`bridge usage`: the chats and tokens of each key, by model, account or time.

Read from the usage file, with or without a running bridge; in a cluster, asked of the node that runs here.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bridge.cli.options import Key, Url, admin_client, console, flag, load, run, say
from bridge.errors import SetupError
from bridge.printable import as_line

NUMBERS = ("chats", "failed", "prompt_tokens", "completion_tokens", "tokens")


def usage(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="WHEN", help="A span such as `24h` or `7d`, or a date.")] = "30d",
    by: Annotated[
        str, typer.Option(metavar="WHAT", help="`key`, `model`, `account`, `day`, `hour`, `node`, or several.")
    ] = "key",
    as_json: Annotated[bool, flag("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, flag("--csv", help="Print a CSV file.")] = False,
    own: Annotated[bool, flag("--own", help="In a cluster, count only what came to this node.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show how many chats and tokens each key has used; in a cluster, the running bridge reports those of all nodes."""
    from bridge.storage import usage_file

    groups = usage_file.groups_of(by)
    is_of_all = url is not None or (load(context).cluster.url is not None and not own)
    rows = _rows_of_all(context, since, by, url, key) if is_of_all else _rows(context, since, groups)
    if as_csv:
        sys.stdout.write(usage_file.as_csv(rows, groups))
    elif as_json:
        say(json.dumps(rows, indent=1))
    elif rows:
        _show(rows, usage_file.columns_of(groups))
    else:
        say("No chat was recorded in that time.")


def _rows_of_all(context: typer.Context, since: str, by: str, url: str | None, key: str | None) -> list[dict[str, Any]]:
    found = run(admin_client(context, url, key).usage(since, by))
    if missing := found.get("missing"):
        print(f"Not counted, because these nodes did not answer: {', '.join(map(as_line, missing))}", file=sys.stderr)
    rows: list[dict[str, Any]] = found["usage"]
    return rows


def _rows(context: typer.Context, since: str, groups: Sequence[Any]) -> list[dict[str, Any]]:
    from bridge.durations import moment_of
    from bridge.storage.usage_file import UsageFile, usage_path

    settings = load(context)
    try:
        begin = moment_of(since, datetime.now(UTC), is_ahead=False).timestamp()
    except (ValueError, OverflowError):
        message = f"--since must be a span such as 24h or 7d, or a date as 2026-01-31, not {since!r}."
        raise SetupError(message) from None
    if not (path := usage_path(settings.config)).exists():
        return []
    file = UsageFile(path, settings.usage.max_age)
    try:
        return file.totals(begin, groups)
    except sqlite3.Error as error:
        raise SetupError(f"Cannot read {path}: {error}.") from error
    finally:
        file.close()


def _show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    named = [column for column in columns if column != "key" or "name" not in columns]
    for column in named:
        heading = "Key" if column == "name" else column.replace("_", " ").capitalize()
        table.add_column(heading, justify="right" if column in NUMBERS else "left")
    for row in rows:
        table.add_row(*(Text(_cell(column, row[column])) for column in named))
    console.print(table)


def _cell(column: str, value: object) -> str:
    if column in NUMBERS:
        return f"{value:,}"
    return str(value) or {"name": "(no key)"}.get(column, "-")
