"""Finds what is new in a system text from a stored outline: digests of sentences, and of paragraphs about tools.

The news has the line of each new sentence. For sentences that were removed without a replacement, it has their
paragraph as it reads now. The text about tools has a paragraph for each tool and one with all names; the news has only
its new paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise, zip_longest
from typing import NamedTuple

from bridge.chat.history_digests import digest
from bridge.chat.types import Message

LONGEST_SYSTEM = 400_000
"""Characters of the longest system text whose changes are found."""
SIZE = 8
"""Bytes of the digest of a sentence or a paragraph."""
EDGE = bytes(SIZE)
"""The mark before the first sentence and after the last one; the tools' paragraphs follow it."""
SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+")
PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
GONE = "[Other lines that stood there are gone.]"
"""The note after a paragraph that has lost lines."""
NO_TOOLS = "There are no tools any more: answer without calling any."


def outline(messages: Sequence[Message]) -> bytes:
    """Return the digests of a system text's sentences, then an edge and those of the paragraphs about tools."""
    if _is_vast(messages):
        return digest(messages)[:SIZE]
    text, tools = _Text.of(messages), _tools(messages)
    return b"".join([*text.digests, *([EDGE, *map(_short, tools)] if tools else [])])


def news(known: bytes, messages: Sequence[Message]) -> str | None:
    """Return the changes of a system text since the one with the outline `known`.

    Return None if the two have little in common.
    """
    if _is_vast(messages):
        return None
    old = [known[place : place + SIZE] for place in range(0, len(known), SIZE)]
    edge = old.index(EDGE) if EDGE in old else len(old)
    text, tools = _Text.of(messages), _tools(messages)
    news = text.news(old[:edge], len(old), sum(map(len, tools)))
    if news is None:
        return None
    return "\n\n".join(filter(None, ("\n".join(news), *_tool_news(set(old[edge + 1 :]), tools))))


class _Line(NamedTuple):
    text: str
    paragraph: int
    sentences: Sequence[bytes]


class _Text:
    """A system text without the text about tools."""

    def __init__(self, lines: Sequence[_Line], sizes: dict[bytes, int]) -> None:
        self._lines = lines
        self._sizes = sizes
        self.digests = [one for line in lines for one in line.sentences]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> _Text:
        """Split a system text into its lines."""
        lines, sizes, paragraph = list[_Line](), dict[bytes, int](), 0
        for message in messages:
            if message.teaches_tools:
                continue
            paragraph += 1
            for line in map(str.strip, message.text.splitlines()):
                paragraph += not line
                cut = {_short(one): len(one) for one in SENTENCE_END.split(line)} if line else {}
                sizes.update(cut)
                lines += [_Line(line, paragraph, list(cut))] if line else []
        return cls(lines, sizes)

    def news(self, old: Sequence[bytes], most: int, beside: int) -> list[str] | None:
        """Return the changed lines, or None if most of the text has changed.

        `most` is the number of known digests, `beside` the characters of the text about tools.
        """
        known = set(old)
        fresh = self._sizes.keys() - known
        lost = self._lost(old, fresh)
        if lost is None or 2 * len(known - self._sizes.keys()) > most:
            return None
        news = list(self._changed_lines(fresh, lost))
        size = sum(map(len, news)) if lost else sum(self._sizes[one] for one in fresh)
        return None if 2 * size > sum(self._sizes.values()) + beside else news

    def _changed_lines(self, fresh: set[bytes], lost: set[int]) -> Iterator[str]:
        """Yield the lines with a new sentence, and all lines of paragraphs that lost some."""
        for line, following in zip_longest(self._lines, self._lines[1:]):
            if line.paragraph in lost or not fresh.isdisjoint(line.sentences):
                yield line.text
            if line.paragraph in lost and (following is None or following.paragraph != line.paragraph):
                yield GONE

    def _lost(self, old: Sequence[bytes], fresh: set[bytes]) -> set[int] | None:
        """Return the paragraphs that lost sentences without a replacement; None if they cannot be found.

        Lost sentences were between two that still exist. If those are neighbours now, there is no replacement.
        """
        paragraphs = [line.paragraph for line in self._lines for _ in line.sentences]
        now = [EDGE, *self.digests, EDGE]
        places = {pair: place for place, pair in enumerate(pairwise(now))}
        replaced_behind = {one for one, other in places if other in fresh}
        replaced_before = {other for one, other in places if one in fresh}
        lost: set[int] = set()
        for before, after in self._gaps(old):
            if (place := places.get((before, after))) is not None:
                if not paragraphs:
                    return None
                lost.add(paragraphs[max(place - 1, 0)])
            elif before not in replaced_behind and after not in replaced_before:
                return None
        return lost

    def _gaps(self, old: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the two old sentences around each run of lost ones."""
        before, is_gap = EDGE, False
        for one in (*old, EDGE):
            if one != EDGE and one not in self._sizes:
                is_gap = True
                continue
            if is_gap:
                yield before, one
            before, is_gap = one, False


def _tool_news(known: set[bytes], paragraphs: Sequence[str]) -> Sequence[str]:
    if known and not paragraphs:
        return [NO_TOOLS]
    return [paragraph for paragraph in paragraphs if _short(paragraph) not in known]


def _tools(messages: Sequence[Message]) -> list[str]:
    texts = (message.text.strip() for message in messages if message.teaches_tools)
    return [paragraph for text in texts for paragraph in PARAGRAPH_END.split(text) if paragraph]


def _is_vast(messages: Sequence[Message]) -> bool:
    return sum(len(message.text) for message in messages) > LONGEST_SYSTEM


def _short(text: str) -> bytes:
    return sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).digest()[:SIZE]
