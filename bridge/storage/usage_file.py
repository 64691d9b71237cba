"""The SQLite file of each key's usage, by model and account, in sums per minute; every call blocks.

After two days the minutes of an hour become one row, and after `usage.max_age` days rows are deleted, so the file stays
small.
"""

from __future__ import annotations

import csv
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

from bridge.durations import DAY, HOUR, MINUTE
from bridge.errors import RequestError
from bridge.storage.sqlite_file import open_database

VERSION = 1
"""Version of the schema."""
COUNTS = "chats, failed, prompt_tokens, completion_tokens"
SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    time INTEGER NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL,
    chats INTEGER NOT NULL, failed INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (time, key, model, account)
) STRICT, WITHOUT ROWID;
"""
SUM_UP = """ON CONFLICT (time, key, model, account) DO UPDATE SET name = excluded.name,
    chats = chats + excluded.chats, failed = failed + excluded.failed,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens"""
FINE = int(2 * DAY)
"""Seconds for which each minute has its own rows: longer than the longest window of a limit."""
MOST_ROWS = 10_000
"""Most rows of a result."""

By = Literal["key", "model", "account", "day", "hour", "node"]
"""The groupings of usage; days and hours are in UTC, and without a cluster the node's name is empty."""
SUMS = ", ".join(f"SUM({name}) AS {name}" for name in COUNTS.split(", "))
GROUPS: dict[By, str] = {
    "key": "key, MAX(name) AS name",
    "model": "model",
    "account": "account",
    "day": f"time / {int(DAY)} * {int(DAY)} AS day",
    "hour": f"time / {int(HOUR)} * {int(HOUR)} AS hour",
    "node": "'' AS node",
}
BYS: tuple[By, ...] = get_args(By)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Prefixes of cells that spreadsheets take for formulas."""


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """The usage of one chat; `key` is the id of its key, empty if none was required."""

    at: float
    """When it started, as a Unix time."""
    key: str
    name: str
    model: str
    account: str
    prompt: int
    completion: int
    is_failed: bool = False


class UsageFile:
    """The usage records; only one thread may use it at a time, but other processes may read the file."""

    def __init__(self, path: Path, max_age: float, clock: Callable[[], float] = time.time) -> None:
        self._path, self._max_age, self._clock = path, max_age * DAY, clock
        self._database: sqlite3.Connection | None = None
        self._tidied = 0.0

    def add(self, one: ChatUsage) -> None:
        """Add the usage of a chat."""
        minute = int(one.at) // int(MINUTE) * int(MINUTE)
        row = (minute, one.key, one.model, one.account, one.name, 1, one.is_failed, one.prompt, one.completion)
        self._opened().execute(f"INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) {SUM_UP}", row)  # noqa: S608
        if self._clock() - self._tidied >= HOUR:
            self._tidy()

    def totals(self, since: float, by: Sequence[By]) -> list[dict[str, Any]]:
        """Return the sums since a Unix time, grouped by `by`, with the columns of `by`, `COUNTS` and `tokens`.

        Days and hours are in order; within them, rows with the most tokens come first.
        """
        groups = ", ".join(GROUPS[one] for one in by)
        times = [one for one in by if one in ("day", "hour")]
        order = ", ".join([*times, "tokens DESC", *by])
        query = (
            f"SELECT {groups}, {SUMS}, SUM(prompt_tokens + completion_tokens) AS tokens FROM usage"  # noqa: S608
            f" WHERE time >= ? GROUP BY {', '.join(by)} ORDER BY {order} LIMIT {MOST_ROWS}"
        )
        cursor = self._opened().execute(query, (since,))
        columns = [column[0] for column in cursor.description]
        return [_readable(dict(zip(columns, row, strict=True))) for row in cursor]

    def by_minute(self, since: float) -> list[tuple[int, str, int, int]]:
        """Return the usage per minute and key since a Unix time: minute, key, chats and tokens."""
        query = (
            "SELECT time, key, SUM(chats), SUM(prompt_tokens + completion_tokens) FROM usage"
            " WHERE time >= ? GROUP BY time, key ORDER BY time"
        )
        return list(self._opened().execute(query, (since,)))

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self._path, SCHEMA, VERSION)
            self._tidy()
        return self._database

    def _tidy(self) -> None:
        """Delete old rows, and sum the minutes of past hours."""
        database, now, hour = self._opened(), self._clock(), int(HOUR)
        coarse = (now - FINE) // HOUR * HOUR
        database.execute("BEGIN IMMEDIATE")
        with database:
            database.execute("DELETE FROM usage WHERE time < ?", (now - self._max_age,))
            database.execute(
                f"INSERT INTO usage SELECT time / {hour} * {hour}, key, model, account, MAX(name), {SUMS} FROM usage"  # noqa: S608
                f" WHERE time < ? AND time % {hour} != 0 GROUP BY 1, 2, 3, 4 {SUM_UP}",
                (coarse,),
            )
            database.execute(f"DELETE FROM usage WHERE time < ? AND time % {hour} != 0", (coarse,))  # noqa: S608
        self._tidied = now


def groups_of(text: str) -> tuple[By, ...]:
    """Return the groupings in a comma-separated list; raise a `RequestError` for an unknown one."""
    given = [*dict.fromkeys(word.strip() for word in text.split(","))]
    known = [one for one in BYS if one in given]
    if len(known) != len(given):
        raise RequestError(f"by must be a comma-separated list of any of {', '.join(BYS)}.", param="by")
    return tuple(sorted(known, key=given.index))


def columns_of(by: Sequence[By]) -> list[str]:
    """Return the columns of sums grouped by `by`, in order."""
    named = [column for one in by for column in ((one, "name") if one == "key" else (one,))]
    return [*named, *COUNTS.split(", "), "tokens"]


def as_csv(rows: Sequence[Mapping[str, Any]], by: Sequence[By]) -> str:
    """Return sums as CSV; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    out, columns = StringIO(), columns_of(by)
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_plain(row[column]) for column in columns] for row in rows)
    return out.getvalue()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def usage_path(config: Path) -> Path:
    """Return the path of the usage file."""
    return config / "usage.sqlite"


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its times in ISO 8601."""
    for name, form in (("day", "%Y-%m-%d"), ("hour", "%Y-%m-%dT%H:00Z")):
        if name in row:
            row[name] = f"{datetime.fromtimestamp(row[name], UTC):{form}}"
    return row
