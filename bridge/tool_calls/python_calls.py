"""Parses calls written as Python: `[weather(city="Rome"), now()]`, `weather({"city": "Rome"})`.

Nothing is run: names and literal arguments are taken from the syntax tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from bridge.tool_calls.json_repair import Unreadable

BEGIN = re.compile(r"\s*+(?:print\s?\(\s*+)?\[?\s*+(?P<name>[A-Za-z_][\w.]{0,127}+)\(")
STRING = re.compile(r""""(?:[^"\\]|\\.)*+(?:"|\\?\Z)|'(?:[^'\\]|\\.)*+(?:'|\\?\Z)""", re.DOTALL)
ODD_ESCAPE = re.compile(r"\\[^\\'\"abfnrtvxuN0\r\n]")
ODD_NUMBER = re.compile(r"(?<!\w)\d[\w.]*+(?<=[^\d.])")
"""Numbers about which Python's parser may print warnings to the terminal."""
LONGEST = 20_000
WRITE_JSON = "A call must be written as JSON, not as a program."


def python_name(text: str) -> str:
    """Return the name of the function that `text` begins to call; empty if it does not."""
    begin = BEGIN.match(text)
    return begin["name"] if begin else ""


def python_calls(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and arguments of each call; raise `Unreadable` if `text` is anything else."""
    if len(text) > LONGEST or ODD_ESCAPE.search(text) or ODD_NUMBER.search(STRING.sub("", text)):
        raise Unreadable(WRITE_JSON)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        inner = tree.args[0] if isinstance(tree, ast.Call) and _name(tree) == "print" and tree.args else tree
        for call in inner.elts if isinstance(inner, ast.List) else [inner]:
            yield _call(call)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(WRITE_JSON) from error


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func) if isinstance(call.func, ast.Name | ast.Attribute) else ""


def _call(call: ast.expr) -> tuple[str, dict[str, Any]]:
    if not isinstance(call, ast.Call) or not _name(call):
        raise ValueError("not a call")
    given = [ast.literal_eval(argument) for argument in call.args]
    named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    if len(given) > 1 or len(named) < len(call.keywords) or (given and not (isinstance(given[0], dict) and not named)):
        raise ValueError("arguments have no names")
    return _name(call), given[0] if given else named
