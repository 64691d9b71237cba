"""Numbers the pages found by a search, and rewrites the citation marks in the answer to use these numbers.

The site has two kinds of marks: `[citation:N]` names a result by its `cite_index`, `[reference:N]` an entry of the
answer fragment's `references`, which names the fragment that searched or opened a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bridge.chat.types import Source
from bridge.sites.bibliography import Bibliography

Page = Mapping[str, Any]
"""A page as the site describes it; it has a `url`."""

_MARK = re.compile(r"\[(citation|reference):([0-9]{1,9})\]")
_MARK_BEGINNING = re.compile(r"\[(citation|reference):[0-9]{0,9}")
_MARK_NAMES = ("[citation:", "[reference:")


def read_found(sources: Bibliography, found: Mapping[str, Any]) -> None:
    """Add the queries and pages of a fragment that searched or opened a page."""
    for query in _list(found.get("queries")):
        sources.add_query(_text(query.get("query") if isinstance(query, dict) else query))
    for page in pages(found):
        number(sources, page)


def number(sources: Bibliography, page: Page) -> Source:
    """Return the source for a page, adding it if it is new."""
    cite = page.get("cite_index")
    cite = cite if isinstance(cite, int) and not isinstance(cite, bool) and cite >= 0 else None
    return sources.add(page["url"], _text(page.get("title")), _text(page.get("snippet")), cite)


class Marks:
    """A filter that puts source numbers into the marks of a text that arrives in pieces.

    It holds back only what may be the beginning of a mark; a mark without a known source stays as it is.
    `page_of` returns the page behind a fragment's reference with a given number.
    """

    def __init__(self, sources: Bibliography, page_of: Callable[[Mapping[str, Any], int], Page | None]) -> None:
        self._sources = sources
        self._page_of = page_of
        self._held = ""

    def take(self, piece: str, owner: Mapping[str, Any]) -> str:
        """Add a piece of a fragment's text and return the text that can be emitted."""
        if not self._held and "[" not in piece:
            return piece
        text = self._held + piece
        cut = _unfinished(text)
        self._held = text[cut:]
        return _MARK.sub(lambda mark: self._renumber(mark, owner), text[:cut])

    def flush(self) -> str:
        """Return the text held back."""
        held, self._held = self._held, ""
        return held

    def _renumber(self, mark: re.Match[str], owner: Mapping[str, Any]) -> str:
        cited = int(mark[2])
        if mark[1] == "citation":
            source = self._sources.named(cited)
        else:
            page = self._page_of(owner, cited)
            source = number(self._sources, page) if page else None
        return f"[citation:{source.number}]" if source else mark[0]


def pages(found: Mapping[str, Any]) -> list[Page]:
    """Return the pages of a fragment: the opened one, then those that a search found."""
    candidates = [found.get("result"), *_list(found.get("results")), *_list(found.get("search_results"))]
    return [page for page in candidates if isinstance(page, dict) and isinstance(page.get("url"), str)]


def referred_page(references: Any, fragments: Any, number: int) -> Page | None:
    """Return the page behind the entry `number` of a fragment's references.

    A reference to a search does not say which of its results it means: the first one counts.
    """
    entries = _list(references)
    entry = entries[number] if number < len(entries) else None
    if not isinstance(entry, dict) or entry.get("id") is None:
        return None
    for fragment in _list(fragments):
        if isinstance(fragment, dict) and fragment.get("id") == entry["id"]:
            return next(iter(pages(fragment)), None)
    return None


def _unfinished(text: str) -> int:
    """Return the index at which an unfinished mark begins, or the text's length."""
    last = text.rfind("[")
    if last < 0:
        return len(text)
    tail = text[last : last + 24]
    begins = any(name.startswith(tail) for name in _MARK_NAMES) or _MARK_BEGINNING.fullmatch(tail)
    return last if begins else len(text)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
