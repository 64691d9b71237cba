"""Escapes quotes that a model forgot to escape in JSON strings; adds only backslashes.

A quote ends a string only if JSON can continue after it: a colon after a key; after a value, a comma and the next key,
or a bracket that really closes.
"""

from __future__ import annotations

import re

AFTER_KEY = re.compile(r"\s*:")
AFTER_MEMBER = re.compile(r"""\s*(?:,\s*(?:"(?:[^"\\\n]|\\.)*"\s*:|\})|\}\s*(?:[,}\]]|\Z))""")
AFTER_ITEM = re.compile(r"""\s*(?:,\s*["{\[\d\-tfn\]]|\]\s*(?:[,}\]]|\Z))""")
AFTER_ALL = re.compile(r"\s*\Z")
STEP = re.compile(r'["\\{}\[\]:,]')


def escape_quotes(text: str) -> str:
    """Return `text` with a backslash before each quote inside a string."""
    out: list[str] = []
    stack: list[str] = []
    is_key, inside, at = False, False, 0
    while (match := STEP.search(text, at)) is not None:
        char, start = match[0], match.start()
        out.append(text[at:start])
        at = match.end()
        if inside:
            if char == "\\":
                char, at = text[start : start + 2], start + 2
            elif char == '"':
                inside = not _ends(text, at, is_key, stack)
                char = '\\"' if inside else char
        elif char == '"':
            inside = True
        else:
            is_key = _structure(char, stack)
        out.append(char)
    return "".join(out) + text[at:]


def _structure(char: str, stack: list[str]) -> bool:
    """Update the stack for a structural character; return whether a key comes next."""
    if char in "{[":
        stack.append(char)
    elif char in "}]" and stack:
        stack.pop()
    return char in "{," and stack[-1:] == ["{"]


def _ends(text: str, at: int, is_key: bool, stack: list[str]) -> bool:
    if not stack:
        return AFTER_ALL.match(text, at) is not None
    if is_key:
        return AFTER_KEY.match(text, at) is not None
    if stack[-1] == "[":
        return AFTER_ITEM.match(text, at) is not None
    return AFTER_MEMBER.match(text, at) is not None
