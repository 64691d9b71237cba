"""Citation marks in answers: removed, turned into links, or left; each cited place is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.api.answer.markdown import safe_url
from bridge.chat.types import Source

MARK = re.compile(r"\[citation:([\d\s,]{0,40})\]")
"""A mark, which may name several sources; as bounded in length as `MARK_BEGUN`, and so are its numbers."""
MARK_BEGUN = re.compile(r"\[(?:c(?:i(?:t(?:a(?:t(?:i(?:o(?:n(?::[\d\s,]{0,40})?)?)?)?)?)?)?)?)?")

Style = Literal["link", "mark", "none"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in the text, counted in characters, and the source that it cites."""

    start: int
    end: int
    source: Source


@dataclass(frozen=True, slots=True)
class CitedText:
    """A piece of text and the sources that it cites."""

    text: str
    sources: tuple[Source, ...] = ()


class CitationFilter:
    """Rewrites the marks in a text that arrives in pieces; leaves marks without a known source."""

    def __init__(self, style: Style, sources: Mapping[int, Source]) -> None:
        self._style = style
        self._sources = sources
        self._held = ""

    def feed(self, text: str) -> list[CitedText]:
        """Add the next piece and return what is final."""
        text = self._held + text
        cut = text.rfind("[")
        if cut < 0 or not MARK_BEGUN.fullmatch(text, cut):
            cut = len(text)
        self._held = text[cut:]
        return list(self._split(text[:cut]))

    def finish(self) -> list[CitedText]:
        """Return the text that was held back, which is not a citation mark."""
        held, self._held = self._held, ""
        return [CitedText(held)] if held else []

    def _split(self, text: str) -> Iterator[CitedText]:
        at = 0
        for mark in MARK.finditer(text):
            if mark.start() > at:
                yield CitedText(text[at : mark.start()])
            yield from self._mark(mark)
            at = mark.end()
        if at < len(text):
            yield CitedText(text[at:])

    def _mark(self, mark: re.Match[str]) -> Iterator[CitedText]:
        named = [self._sources[int(number)] for number in re.findall(r"\d+", mark[1]) if int(number) in self._sources]
        if self._style == "none":
            return
        if self._style == "mark" or not named:
            yield CitedText(mark[0], tuple(named))
            return
        for source in named:
            yield CitedText(_link(source), (source,))


def _link(source: Source) -> str:
    url = safe_url(source.url)
    return f"[[{source.number}]]({url})" if url else f"[{source.number}]"
