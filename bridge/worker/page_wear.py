"""The wear of an open page: its chats, its age, and the growth of its memory since it was opened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from bridge.durations import HOUR
from bridge.settings import MEBIBYTE, BrowserSettings

RENEW_AT_LATEST = 2
"""Multiple of `browser.page_chats` from which a page is renewed before the next chat, which waits for it."""
SHARES = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
"""The memory of a page's scripts, its documents, and their data; Chromium reports it without pausing the page."""


class PageWear:
    """The wear of a page that is opened now by `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opened = clock()
        self._first: float | None = None
        self._growth = 0.0
        self.chats = 0

    def is_due(self, settings: BrowserSettings) -> bool:
        """Tell whether an idle page should be renewed."""
        hours = (self._clock() - self._opened) / HOUR
        is_old = bool(settings.page_hours) and hours >= settings.page_hours
        has_grown = bool(settings.page_growth) and self._growth >= settings.page_growth * MEBIBYTE
        return self.chats >= settings.page_chats or is_old or has_grown

    def is_overdue(self, settings: BrowserSettings) -> bool:
        """Tell whether a page should be renewed even though a chat waits, as it was never idle."""
        return self.chats >= RENEW_AT_LATEST * settings.page_chats

    async def measure(self, session: CDPSession) -> None:
        """Measure the page's memory, unless the page is gone or reloading."""
        try:
            usage = await session.send("Runtime.getHeapUsage")
        except PlaywrightError:
            return
        self.note(usage)

    def note(self, usage: dict[str, Any]) -> None:
        """Record the page's memory in bytes by kind; the first call sets the baseline."""
        size = sum(float(usage.get(share, 0.0)) for share in SHARES)
        self._first = size if self._first is None else self._first
        self._growth = size - self._first
