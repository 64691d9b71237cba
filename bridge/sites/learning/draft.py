"""Writes a site file with a comment for each field: how far it can be trusted, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bridge.printable import as_line
from bridge.sites.learning.json_leaves import LONGEST_KEY

LONGEST_WHY = 200


class Certainty(StrEnum):
    """How far a field can be trusted."""

    CERTAIN = "certain"
    GUESSED = "guessed"
    NEEDED = "needs you"


@dataclass(frozen=True, slots=True)
class Finding:
    """A field of the file; `field` is its name with its table, as in `composer.box`.

    If its value is None, the file has only a comment. A rule or refusal has the name of its list, and its value is the
    whole table.
    """

    field: str
    value: Any
    certainty: Certainty = Certainty.CERTAIN
    why: str = ""

    @property
    def remark(self) -> str:
        """Return its comment: one line without control characters."""
        why = as_line(self.why)[:LONGEST_WHY]
        return f"{self.certainty}: {why}" if why else str(self.certainty)


LISTS = ("models", "answer.rules", "refusals", "dialogs")
"""Fields that are lists of tables, each table a separate finding."""


def written(findings: Sequence[Finding]) -> str:
    """Return the text of a site file with a comment for each field."""
    tables: dict[str, list[Finding]] = {}
    for finding in findings:
        table = finding.field if finding.field in LISTS else finding.field.rpartition(".")[0]
        tables.setdefault(table, []).append(finding)
    blocks = [
        "\n".join(_lines(table, found)) for table, found in sorted(tables.items(), key=lambda item: _place(item[0]))
    ]
    return "\n\n".join(blocks) + "\n"


def _place(table: str) -> tuple[int, str]:
    """Return the sort key of a table: plain fields first, lists of tables after the table that they belong to."""
    order = ("", "models", "login", "composer", "request", "answer", "answer.rules", "refusals")
    return (order.index(table) if table in order else len(order), table)


def _lines(table: str, findings: Sequence[Finding]) -> Iterator[str]:
    if table in LISTS:
        blocks = ("\n".join(_table(table, finding)) for finding in findings)
        yield "\n\n".join(blocks)
        return
    if table:
        yield f"[{table}]"
    for finding in findings:
        name = finding.field.rpartition(".")[2]
        if finding.value is None:
            yield f"# {name}: {finding.remark}"
        else:
            yield f"{name} = {as_toml(finding.value)}  # {finding.remark}"


def _table(table: str, finding: Finding) -> Iterator[str]:
    yield f"# {finding.remark}"
    yield f"[[{table}]]"
    yield from (f"{_key(name)} = {as_toml(value)}" for name, value in finding.value.items())


def as_toml(value: Any) -> str:
    """Return a value as TOML; texts of a page cannot break out of their quotes."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return _quoted(value)
        case Mapping():
            inner = ", ".join(f"{_key(name)} = {as_toml(one)}" for name, one in value.items())
            return f"{{ {inner} }}"
        case _:
            return f"[{', '.join(as_toml(one) for one in value)}]"


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum() and len(name) <= LONGEST_KEY
    return name if plain else _quoted(name)


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, which differs from JSON's in one character."""
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
