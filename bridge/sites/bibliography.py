"""Numbers the sources of an answer: each page found gets one number, which the answer's citation marks use."""

from __future__ import annotations

from bridge.chat.types import Searched, Source


class Bibliography:
    """The pages found so far, identified by URL; a page's number never changes.

    A page that the site names by a number keeps that number if it is free; any other page gets the lowest free one.
    """

    def __init__(self) -> None:
        self._by_url: dict[str, Source] = {}
        self._by_name: dict[int | str, Source] = {}
        self._numbers: set[int] = set()
        self._lowest = 1
        self._queries: dict[str, None] = {}
        self._new_queries: list[str] = []
        self._new_sources: list[Source] = []

    def add(self, url: str, title: str = "", snippet: str = "", name: int | str | None = None) -> Source:
        """Return the source for a page, adding it if it is new; `name` is what the site's marks call it."""
        source = self._by_url.get(url)
        if source is None:
            source = self._new(Source(self._number(name), url, title, snippet))
        if name is not None:
            self.name(name, source)
        return source

    def name(self, name: int | str, source: Source) -> None:
        """Map a name in the site's marks to a source, unless it already names another one."""
        self._by_name.setdefault(name, source)

    def named(self, name: int | str) -> Source | None:
        """Return the source that a name in the site's marks refers to."""
        return self._by_name.get(name)

    def add_query(self, text: str) -> None:
        """Add a search query."""
        if text and text not in self._queries:
            self._queries[text] = None
            self._new_queries.append(text)

    def news(self) -> Searched | None:
        """Return the queries and sources added since the last call, or None."""
        if not (self._new_queries or self._new_sources):
            return None
        news = Searched(tuple(self._new_queries), tuple(self._new_sources))
        self._new_queries, self._new_sources = [], []
        return news

    def _new(self, source: Source) -> Source:
        self._numbers.add(source.number)
        self._by_url[source.url] = source
        self._new_sources.append(source)
        return source

    def _number(self, name: int | str | None) -> int:
        if isinstance(name, int) and name not in self._numbers:
            return name
        while self._lowest in self._numbers:
            self._lowest += 1
        return self._lowest
