"""Cuts text into the words that no token of a vocabulary crosses, by the rules in the vocabulary's file.

Text that arrives in pieces can be counted up to the last word that later text cannot change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import regex

LONGEST = 256
"""Most characters of a word; longer runs, which are rare, are cut, so that none takes long to count."""
SHORT = 3
"""Most characters of an uncut text that is cached, as many as a group of digits has."""
MOST_WHOLE = 4_096
"""Uncut texts that are cached for each pattern."""
MOST_MATCHED = 4 * LONGEST
"""More characters than a match can have: a pattern has few repetitions, and each is bounded."""
REPEATED = regex.compile(r"(?<=\]|\\s)(\+|\*)")
"""An unbounded repetition in a vocabulary's pattern."""


class WordCutter:
    """A cutter that splits text at the vocabulary's `special` tokens, then by one pattern after the other.

    A match of a pattern is a word; the text between two matches goes to the next pattern.
    """

    def __init__(self, special: Iterable[str], patterns: Iterable[str]) -> None:
        self.special = frozenset(special)
        self._special = regex.compile("|".join(map(regex.escape, sorted(self.special, key=len, reverse=True))))
        # now, in the thread that reads the vocabulary: there are tens of thousands
        self._begun = frozenset(token[:end] for token in self.special for end in range(1, len(token)))
        self._most_begun = max(map(len, self._begun), default=0)
        self._steps = tuple(_Step(regex.compile(REPEATED.sub(_bounded, pattern))) for pattern in patterns)

    def words(self, text: str) -> Sequence[str]:
        """Return the words of a whole text; joined, they are the text."""
        return _cut(text, self._spans(text))

    def settled(self, text: str) -> Sequence[str]:
        """Return the first words of a text that cannot change, whatever follows.

        Three parts may still change: the last match; white space at the end, which is cut differently when text follows
        it; and a possible beginning of a special token.
        """
        text = text[: self._special_from(text)]
        spans, kept = self._spans(text), len(text.rstrip())
        if spans:
            start, end = spans.pop()
            if end - start > MOST_MATCHED:  # not a match; it is cut from its start wherever it ends
                spans.append((start, end - ((end - start - 1) % LONGEST + 1)))
        while spans and spans[-1][1] > kept:
            spans.pop()
        return _cut(text, spans)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of the special tokens, the matches, and the text between them."""
        spans: list[tuple[int, int]] = []
        place = 0
        for found in self._special.finditer(text) if self.special else ():
            spans += self._plain(text, place, found.start())
            spans.append(found.span())
            place = found.end()
        spans += self._plain(text, place, len(text))
        return spans

    def _special_from(self, text: str) -> int:
        """Return where an incomplete special token may begin, or the end of the text."""
        for place in range(max(0, len(text) - self._most_begun), len(text)):
            if text[place:] in self._begun:
                return place
        return len(text)

    def _plain(self, text: str, start: int, end: int) -> Sequence[tuple[int, int]]:
        spans: Sequence[tuple[int, int]] = [(start, end)]
        for step in self._steps:
            spans = step.isolated(text, spans)
        return spans


class _Step:
    """A cut at the matches of one pattern, which caches short texts without a match, such as groups of digits."""

    def __init__(self, pattern: regex.Pattern[str]) -> None:
        self._pattern = pattern
        self._whole: set[str] = set()

    def isolated(self, text: str, spans: Iterable[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        """Return the spans of the matches within each span, and of the text between them."""
        parts: list[tuple[int, int]] = []
        for start, end in spans:
            size = end - start
            if size == 1 or (size <= SHORT and text[start:end] in self._whole):
                parts.append((start, end))
                continue
            before = len(parts)
            for first, last in [found.span() for found in self._pattern.finditer(text, start, end)]:
                if first > start:
                    parts.append((start, first))
                parts.append((first, last))
                start = last
            if start < end:
                parts.append((start, end))
            if size <= SHORT and len(parts) == before + 1 and len(self._whole) < MOST_WHOLE:
                self._whole.add(text[end - size : end])
        return parts


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> Sequence[str]:
    """Return the words in spans; long ones are cut."""
    words: list[str] = []
    for start, end in spans:
        if end - start <= LONGEST:
            words.append(text[start:end])
        else:
            words += (text[place : min(place + LONGEST, end)] for place in range(start, end, LONGEST))
    return words


def _bounded(found: regex.Match[str]) -> str:
    return f"{{{1 if found[1] == '+' else 0},{LONGEST}}}"
