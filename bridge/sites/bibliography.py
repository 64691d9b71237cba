"""Sources and their numbers: every page that was found gets one number, by which the answer's marks name it."""

from __future__ import annotations

from bridge.chat.types import Searched, Source


class Bibliography:
    """The pages found so far, numbered once and for all; a page is known by its URL.

    A page whose name is a number keeps that as its number if it is free; any other gets the lowest number that is.
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
        """Return the source that a page is; `name` is how the site's marks call it."""
        source = self._by_url.get(url)
        if source is None:
            source = self._new(Source(self._number(name), url, title, snippet))
        if name is not None:
            self.name(name, source)
        return source

    def name(self, name: int | str, source: Source) -> None:
        """Let the site's marks call a source by a name, if they do not call another one so."""
        self._by_name.setdefault(name, source)

    def named(self, name: int | str) -> Source | None:
        """Return the source that the site's marks call by a name."""
        return self._by_name.get(name)

    def add_query(self, text: str) -> None:
        """Take what was searched for."""
        if text and text not in self._queries:
            self._queries[text] = None
            self._new_queries.append(text)

    def news(self) -> Searched | None:
        """Return what was found since the last call."""
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
