"""The kinds of tags and special tokens, by their names."""

from __future__ import annotations

import re
from enum import Enum, auto


class Kind(Enum):
    """The role of a tag."""

    ENVELOPE = auto()
    """Encloses calls."""
    CALL = auto()
    TOOL = auto()
    """Named like a tool, which makes it a call."""
    PARAMETER = auto()
    NAME = auto()
    """Holds the name of the tool that is called."""
    ARGUMENTS = auto()
    """Holds all arguments."""
    KEY = auto()
    """Holds the name of the argument whose value follows."""
    FIELD = auto()
    """Named like an argument."""
    SEPARATOR = auto()


BLOCK = (Kind.CALL, Kind.ENVELOPE, Kind.TOOL)
"""The kinds that open and end calls."""
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("calls", "tool_use", "tool_uses", "tools"), Kind.ENVELOPE),
    **{f"{what}{gap}calls": Kind.ENVELOPE for what in ("tool", "function") for gap in ("", "_")},
    **{f"{what}{gap}call": Kind.CALL for what in ("tool", "function") for gap in ("", "_")},
    **dict.fromkeys(("invoke", "call", "function", "tool", "tool_code"), Kind.CALL),
    **dict.fromkeys(("parameter", "param", "arg", "argument", "arg_value"), Kind.PARAMETER),
    "arg_key": Kind.KEY,
    **dict.fromkeys(("name", "tool_name", "function_name"), Kind.NAME),
    **dict.fromkeys(("arguments", "args", "parameters", "params", "input", "tool_input"), Kind.ARGUMENTS),
    "tool_sep": Kind.SEPARATOR,
}
WEAK = frozenset(("calls", "tool_use", "tool_uses", "tools", "call", "function", "tool"))
"""Names that mean a call only if what follows looks like one."""
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
BOUNDS = {"begin", "start", "prefix", "end", "stop", "suffix"}
OWNERS = {"tool", "tools", "function", "functions", "action", "actions"}
CALLS = {"call", "calls", "request", "requests"}
SEPARATORS = ("sep", "argument", "arguments", "args", "constrain", "message", "plugin")
"""Words of tokens between a tool's name and its arguments."""
ENDS = {"end", "stop", "suffix"}


def kind_of_token(token: str) -> tuple[Kind, bool] | None:
    """Return the kind of a special token, and whether it is an end; None if it has nothing to do with calls."""
    words = [word.lower() for word in WORD.findall(token)]
    if words == ["python", "tag"]:
        return Kind.CALL, False
    known = {*words}
    if (words and words[-1] in ("id", *SEPARATORS)) or known & {"sep", "argument"}:
        return (Kind.SEPARATOR, False) if known <= {*SEPARATORS, *OWNERS, *CALLS, *BOUNDS, "id"} else None
    if not known <= BOUNDS | OWNERS | CALLS | {"section"} or not known & (OWNERS | CALLS):
        return None
    if not known & CALLS and not known & BOUNDS:
        return None
    is_end = bool(known & ENDS) or token.startswith("/") or words == ["call"]
    return (Kind.ENVELOPE if known & {"calls", "tools", "requests", "actions"} else Kind.CALL), is_end
