"""Reads JSON as a model writes it, and repairs it only where nothing that was written gets lost."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import json_repair

from bridge.tools.quotes import escape_quotes

FENCED = re.compile(r"\s*```[\w-]*[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL)
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
MARKS = re.compile(r"""[\s{}\[\],:"'`\\]+""")
ENDS = ("}", "]", '"', "'", ",")
"""Behind anything else the text may have been cut off: a number may have gone on."""
STRING_OR_MARK = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\]]|,(?=\s*(?:[}\]]|\Z))', re.DOTALL)
CLOSING = {"{": "}", "[": "]"}
TRAILING = re.compile(r'(?:\s|\\[nrt])+"')
LITERAL = re.compile(r"True|False|None")


def refuse(constant: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which Python takes for JSON and nothing else does."""
    raise ValueError(f"{constant} is no JSON")


def finite(number: str) -> float:
    """Refuse numbers that are too large to be written down again."""
    return float(number) if math.isfinite(float(number)) else refuse(number)


DECODER = json.JSONDecoder(strict=False, parse_constant=refuse, parse_float=finite)
"""Reads JSON whose strings may hold line breaks."""


class Unclear(Exception):
    """What was written cannot be used; the message tells the model why."""


def loaded(text: str) -> Any:
    """Return `text` as JSON, repaired if need be."""
    text = unfenced(text)
    candidates = (text, escape_quotes(text))
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            return _several(candidate)
    if not text.startswith(("{", "[")) or not text.endswith(ENDS) or all(map(in_string, candidates)):
        raise Unclear("It is not JSON, or breaks off.")
    for candidate in candidates:
        with suppress(ValueError, RecursionError):
            return _several(_closed(candidate))
    repaired = _repaired(text)
    if not isinstance(repaired, dict | list) or _written(text) != "".join(map(_said, _values(repaired))):
        raise Unclear("It is not valid JSON.")
    return repaired


def unfenced(text: str) -> str:
    """Return what is inside of a code block, if `text` is one."""
    fenced = FENCED.fullmatch(text)
    return (fenced[1] if fenced else text).strip()


def _closed(text: str) -> str:
    """Return `text` without commas that nothing follows, and with the brackets that are missing at its end."""
    missing: list[str] = []

    def keep(match: re.Match[str]) -> str:
        mark = match[0]
        if mark in CLOSING:
            missing.append(CLOSING[mark])
        elif missing and mark == missing[-1]:
            missing.pop()
        return "" if mark == "," else mark

    return STRING_OR_MARK.sub(keep, text) + "".join(reversed(missing))


def _repaired(text: str) -> Any:
    """Return the repaired JSON, with the line breaks that end its strings: only the second way of repair keeps them."""
    repaired, kept = (_repaired_as(text, stable) for stable in (False, True))
    return kept if _trimmed(kept) == _trimmed(repaired) else repaired


def _repaired_as(text: str, stable: bool) -> Any:
    try:
        repaired = json_repair.loads(text, stream_stable=stable)
        json.dumps(repaired, allow_nan=False)
        return repaired
    except (ValueError, RecursionError, IndexError):
        return None


def _trimmed(value: object) -> str:
    return TRAILING.sub('"', json.dumps(value))


def _several(text: str) -> Any:
    """Return one JSON value, or a list of those that follow each other."""
    values, at = [], 0
    while at < len(text):
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
    if not values:
        raise ValueError("nothing there")
    return values[0] if len(values) == 1 else values


def _written(text: str) -> str:
    """Return what was written but for JSON's own marks, so that a repair can be held against it."""
    plain = ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _escaped(match[2]), text)
    return _essence(plain)


def _escaped(char: str) -> str:
    return "" if char in "nrtbf" else char


def _essence(text: str) -> str:
    return LITERAL.sub(lambda match: match[0].lower().replace("none", "null"), MARKS.sub("", text))


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


def _said(value: object) -> str:
    return _essence(value if isinstance(value, str) else json.dumps(value))


def is_json(body: str) -> bool:
    """Tell whether `body` is complete JSON as it stands."""
    try:
        DECODER.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def in_string(body: str) -> bool:
    """Tell whether the end of `body`, read as JSON, stands inside of a string."""
    return body.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1


def json_end(body: str) -> int:
    """Return where the JSON at the beginning of `body` ends, or 0 where none does."""
    start = len(body) - len(body.lstrip())
    try:
        return DECODER.raw_decode(body, start)[1]
    except (ValueError, RecursionError):
        return 0
