"""Checks the quotes and brackets of a selector, as far as that is possible without a browser."""

from __future__ import annotations

import re

_CLOSING = {"(": ")", "[": "]"}
_LONGEST = 1_000
_PARTS = re.compile(r"""\\.|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\[\]()"']""", re.DOTALL)
"""An escaped character, a quoted text, a bracket, or a quote that is never closed."""


def checked_selector(text: str) -> str:
    """Return the selector unchanged; raise `ValueError` if it is not one."""
    if not text.strip() or len(text) > _LONGEST:
        raise ValueError(f"a selector has 1 to {_LONGEST} characters")
    if trouble := _trouble(text):
        raise ValueError(f"'{text[:80]}' is not a selector: {trouble}")
    return text


def _trouble(text: str) -> str | None:
    """Return what is wrong with the quotes and brackets, or None."""
    open_ones: list[str] = []
    for part in _PARTS.finditer(text):
        mark = part[0]
        if mark in _CLOSING:
            open_ones.append(_CLOSING[mark])
        elif mark in "'\"":
            return f"a {mark} is never closed"
        elif mark in ")]" and (not open_ones or open_ones.pop() != mark):
            return f"there is one {mark} too many"
    return f"a {open_ones[-1]} is missing" if open_ones else None
