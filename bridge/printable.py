"""Makes text of clients, models and pages harmless for terminals and logs.

A terminal executes ESC sequences, and changes the reading direction at some marks, so that a line can imitate another
one. Every such character is either shown as a JSON escape or left out.
"""

from __future__ import annotations

from collections.abc import Iterable

DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that change the direction of reading."""
OBEYED = (*range(0x20), *range(0x7F, 0xA0), *DIRECTIONS, 0x2028, 0x2029, 0xFEFF)
"""Control and invisible characters, including every line break and the tab."""


def _escapes(characters: Iterable[int]) -> dict[int, str]:
    return {character: f"\\u{character:04x}" for character in characters} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


_AS_LINE = _escapes(OBEYED)
_AS_JSON = {character: f"\\u{character:04x}" for character in OBEYED if character >= 0x7F}
_AS_TEXT = dict.fromkeys(set(OBEYED) - {0x09, 0x0A})


def as_line(text: str) -> str:
    """Return `text` as one line, with control characters as escapes."""
    return text.translate(_AS_LINE)


def as_json_line(document: str) -> str:
    """Return an equivalent one-line JSON document with control characters as escapes."""
    return document.translate(_AS_JSON)


def as_text(text: str) -> str:
    """Return `text` with its line breaks and tabs, without other control characters."""
    return text.translate(_AS_TEXT)
