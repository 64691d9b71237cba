"""The tabs of one account: its own page, and the windows that the page has opened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from playwright.async_api import CDPSession, Frame, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import within
from bridge.errors import BrowserError
from bridge.liveview.view_target import ShownPage

LIMIT = 3.0
LONGEST = 300
"""Most characters of a title that are shown."""


class Tab:
    """One window of the browser, and its CDP session."""

    def __init__(self, id: str, page: Page, line: CDPSession) -> None:  # noqa: A002
        self.id = id
        self.page = page
        self.line = line
        self.title = ""

    async def look(self) -> None:
        """Read the title from the browser process, which answers even if the page hangs."""
        with suppress(PlaywrightError, BrowserError):
            async with within(LIMIT, "The browser did not return the page's title"):
                info = (await self.line.send("Target.getTargetInfo"))["targetInfo"]
            self.title = str(info.get("title", ""))[:LONGEST]


class Tabs:
    """Follows the windows that a page opens: shows a new one at once, and the page again when it is closed."""

    def __init__(self, session: ShownPage, changed: Callable[[], None]) -> None:
        self.session = session
        self._changed = changed
        self._known: dict[Page, Tab] = {}
        self._active: Page | None = None
        self._number = 0
        session.context.on("page", self._on_page)

    @property
    def active(self) -> Tab | None:
        """Return the tab that is shown."""
        page = self._active if self._active in self._known else self.session.page
        return self._known.get(page)

    async def refresh(self) -> None:
        """Add new windows, drop closed ones, and read all titles."""
        pages = [page for page in self.session.context.pages if not page.is_closed()]
        for page in [page for page in self._known if page not in pages]:
            del self._known[page]
        for page in [page for page in pages if page not in self._known]:
            await self._add(page)
        for tab in tuple(self._known.values()):
            await tab.look()

    def select(self, id: str) -> None:  # noqa: A002
        """Show another tab; an unknown id is ignored."""
        if (tab := self._find(id)) is not None:
            self._active = tab.page
            self._changed()

    async def close_tab(self, id: str) -> None:  # noqa: A002
        """Close a tab, but never the account's own page, which chats need."""
        tab = self._find(id)
        if tab is not None and tab.page is not self.session.page:
            with suppress(BrowserError):
                async with within(LIMIT, "The window did not close"):
                    await tab.page.close()
            self._changed()

    def describe(self) -> list[dict[str, Any]]:
        """Return the tabs as JSON for the viewers."""
        active = self.active
        return [
            {"id": tab.id, "title": tab.title, "active": tab is active, "main": tab.page is self.session.page}
            for tab in self._known.values()
        ]

    async def close(self) -> None:
        """Stop following the windows, and leave them open."""
        with suppress(KeyError):
            self.session.context.remove_listener("page", self._on_page)
        for page in tuple(self._known):
            self._forget(page)

    def _find(self, id: str) -> Tab | None:  # noqa: A002
        return next((tab for tab in self._known.values() if tab.id == id), None)

    def _on_page(self, page: Page) -> None:
        self._active = page
        self._changed()

    async def _add(self, page: Page) -> None:
        with suppress(PlaywrightError, BrowserError):
            async with within(LIMIT, "The browser opened no CDP session for the page"):
                line = await self.session.context.new_cdp_session(page)
            self._number += 1
            self._known[page] = Tab(str(self._number), page, line)
            page.on("close", self._on_close)
            page.on("framenavigated", self._on_navigation)

    def _forget(self, page: Page) -> None:
        self._known.pop(page, None)
        with suppress(KeyError):
            page.remove_listener("close", self._on_close)
            page.remove_listener("framenavigated", self._on_navigation)

    def _on_close(self, _: Page) -> None:
        self._changed()

    def _on_navigation(self, frame: Frame) -> None:
        if frame.parent_frame is None:
            self._changed()
