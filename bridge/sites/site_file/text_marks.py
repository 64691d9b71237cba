"""Removes or translates marks in a text that arrives in pieces; no part of a mark is ever emitted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import regex

LONGEST_MARK = 200
"""The longest mark, in characters; anything longer counts as text, so that no more than this is held back."""

MOST_PLAIN = 10_000
"""The most characters that are remembered as ones with which no mark begins."""
CONTEXT = re.compile(r"\(\?<[=!]|\\[bBAGKmMZ]|[$^]")
"""Matches the constructs of a pattern that look at the text around the mark."""

Cite = Callable[[str], str | None]
"""Returns the mark to emit for a source's name; None if there is no such source."""


class TextMarks:
    """The patterns of the marks in a text; keeps no text itself."""

    def __init__(self, strip: Sequence[str], citation: str | None, cite: Cite) -> None:
        patterns = [f"(?:{pattern})" for pattern in (*([citation] if citation else ()), *strip)]
        self._any = regex.compile("|".join(patterns)) if patterns else None
        self._has_context = any(CONTEXT.search(pattern) for pattern in patterns)
        self._plain: set[str] = set()
        self._citation = regex.compile(citation) if citation else None
        self._cite = cite

    def read(self, text: str, *, is_end: bool) -> tuple[str, int]:
        """Return the text without its marks, and how many characters were read.

        The rest may be the beginning of a mark: the caller must pass it again together with what follows.
        """
        if self._any is None or self._plain.issuperset(text) or self._is_plain(self._any, text):
            return text, len(text)
        said: list[str] = []
        at = 0
        while at < len(text) and (mark := self._any.search(text, at, partial=not is_end)):
            is_open = not is_end and (mark.partial or mark.end() == len(text))
            if is_open and len(text) - mark.start() <= LONGEST_MARK:
                return "".join([*said, text[at : mark.start()]]), mark.start()
            end = max(mark.end(), mark.start() + 1)
            said += [text[at : mark.start()], self._instead(text[mark.start() : end], is_whole=not mark.partial)]
            at = end
        return "".join([*said, text[at:]]), len(text)

    def _is_plain(self, marks: regex.Pattern[str], text: str) -> bool:
        """Tell whether no mark can begin with any character of the text, and remember those."""
        if self._has_context or len(self._plain) > MOST_PLAIN:
            return False
        plain = [one for one in set(text) - self._plain if not marks.match(one, partial=True)]
        self._plain.update(plain)
        return self._plain.issuperset(text)

    def _instead(self, mark: str, *, is_whole: bool) -> str:
        """Return the replacement for a mark."""
        if not is_whole:
            return mark
        if self._citation and (cited := self._citation.fullmatch(mark)):
            return self._cite(cited[1] or "") or mark
        return ""
