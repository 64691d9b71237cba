"""Counts how often a text changes between left-to-right and right-to-left writing.

A page lays out each run between two changes separately, and its work on a line grows with the square of their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isqrt

from bridge.background import PIECE

RIGHT_TO_LEFT = (
    "\u0590-\u08ff\u200f\u202b\u202e\u2067\u2068\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
)
"""Letters and digits of right-to-left scripts, and the marks that reverse any text."""
MARK = re.compile(rf"[\n\r]|[{RIGHT_TO_LEFT}](?![{RIGHT_TO_LEFT}])[^\w\n\r{RIGHT_TO_LEFT}]*+(?=[^\W{RIGHT_TO_LEFT}])")
"""The end of a line, or the last character before a change; blanks and signs take the direction around them."""


def changes(text: str) -> int:
    """Return the number of changes in one line that would be as much work as all lines of the text."""
    if text.isascii():
        return 0
    return isqrt(sum(count * count for count in _by_line(text)))


def _by_line(text: str) -> Iterator[int]:
    """Yield the changes from right to left of each line that has any."""
    count = 0
    for place in range(0, len(text), PIECE):
        for found in MARK.finditer(text, place, place + PIECE):
            if found[0][0] not in "\n\r":
                count += 1
            elif count:
                yield count
                count = 0
    yield count
