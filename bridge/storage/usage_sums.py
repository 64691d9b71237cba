"""Adds up the usage of several nodes; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridge.storage.usage_file import COUNTS, MOST_ROWS, By, columns_of

SUMMED = (*COUNTS.split(", "), "tokens")


def parse_sums(said: Sequence[Mapping[str, Any]], by: Sequence[By]) -> list[dict[str, Any]]:
    """Return the sums from a node's answer; raise a `KeyError`, `TypeError` or `ValueError` if they are invalid."""
    texts = [column for column in columns_of(by) if column not in SUMMED]
    return [
        {**{one: str(row[one]) for one in texts}, **{one: int(row[one]) for one in SUMMED}} for row in said[:MOST_ROWS]
    ]


def summed(parts: Iterable[tuple[str, Iterable[Mapping[str, Any]]]], by: Sequence[By]) -> list[dict[str, Any]]:
    """Return the sums over all nodes, given by name, in the order of `UsageFile.totals`."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for node, rows in parts:
        for row in rows:
            counted: dict[str, Any] = {**row, "node": node} if "node" in by else dict(row)
            known = found.setdefault(tuple(counted[one] for one in by), counted)
            if known is not counted:
                for count in SUMMED:
                    known[count] += counted[count]
    times = [one for one in by if one in ("day", "hour")]
    rest = [one for one in by if one not in times]
    sums = sorted(found.values(), key=lambda row: [str(row[one]) for one in rest])
    sums.sort(key=lambda row: row["tokens"], reverse=True)
    sums.sort(key=lambda row: [row[one] for one in times])
    return sums[:MOST_ROWS]
