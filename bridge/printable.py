"""Makes text of clients, models and pages harmless for terminals and logs.

A terminal obeys ESC and its relatives, and turns the reading direction at some marks, so that a line can pass for
another one. Every such character is either shown as an escape of JSON's kind or left out.
"""

from __future__ import annotations

from collections.abc import Iterable

DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that turn the direction of reading, for what follows or for a stretch of text."""
OBEYED = (*range(0x20), *range(0x7F, 0xA0), *DIRECTIONS, 0x2028, 0x2029, 0xFEFF)
"""Characters that are obeyed or unseen instead of shown; every line break and the tab among them."""


def _escapes(characters: Iterable[int]) -> dict[int, str]:
    return {character: f"\\u{character:04x}" for character in characters} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


_AS_LINE = _escapes(OBEYED)
_AS_JSON = {character: f"\\u{character:04x}" for character in OBEYED if character >= 0x7F}
_AS_TEXT = dict.fromkeys(set(OBEYED) - {0x09, 0x0A})


def as_line(text: str) -> str:
    """Return `text` as one line: what a terminal would obey stands there as an escape."""
    return text.translate(_AS_LINE)


def as_json_line(document: str) -> str:
    """Return a JSON document on one line with escapes in place of what a terminal would obey; it means the same."""
    return document.translate(_AS_JSON)


def as_text(text: str) -> str:
    """Return `text` with its line breaks and tabs, and without anything else that a terminal would obey."""
    return text.translate(_AS_TEXT)
