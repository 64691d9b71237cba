"""The windows of one account: its own page, and a limited number of windows that pages open."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from playwright.async_api import BrowserContext, Page

from bridge.browser.page_calls import within
from bridge.errors import BrowserError
from bridge.tasks import Tasks

CLOSE_LIMIT = 5.0


class Windows:
    """The windows of a context; closes all but `most` windows that pages open. `most` may change at any time."""

    def __init__(self, context: BrowserContext, most: int) -> None:
        self.most = most
        self._context = context
        self._own: set[Page] = set()
        self._blank = list(context.pages)
        """The pages that a browser with a folder starts with."""
        self._opening = asyncio.Lock()
        self._tasks = Tasks()
        context.on("page", lambda page: self._tasks.start(self._judge(page)))

    async def open(self) -> Page:
        """Open a page of the bridge."""
        async with self._opening:
            page = self._blank.pop() if self._blank else await self._context.new_page()
            self._own.add(page)
        page.on("close", lambda page: self._own.discard(page))
        return page

    async def close(self) -> None:
        """Stop closing windows."""
        await self._tasks.close()

    async def _judge(self, page: Page) -> None:
        async with self._opening:  # a page of the bridge is known as such only once it is open
            foreign = self._foreign_pages()
        if page in foreign[self.most :]:
            await _close(page)

    async def trim(self) -> None:
        """Close the windows beyond `most`."""
        await asyncio.gather(*map(_close, self._foreign_pages()[self.most :]))

    def _foreign_pages(self) -> list[Page]:
        return [one for one in self._context.pages if one not in self._own]


async def _close(page: Page) -> None:
    with suppress(BrowserError):
        async with within(CLOSE_LIMIT, "A window that the page had opened did not close"):
            await page.close()
