"""Why an open page cannot be used any more: the first reason is kept, and raised to all that wait for it."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.sites.contract import LeftSite, SiteDriver

MOST_DEPARTURES = 3
"""After so many departures without a chat between them, a page is not reopened at once."""


class PageLoss:
    """The reason why one open page was lost; the first one counts, and the future is the one place that has it."""

    def __init__(self) -> None:
        self._future: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._future.add_done_callback(lambda future: future.cancelled() or future.exception())  # no fault if none asks

    @property
    def happened(self) -> bool:
        """Tell whether the page is lost."""
        return self._future.done()

    def note(self, error: BridgeError) -> None:
        """Note that the page is lost to `error`."""
        if not self._future.done():
            self._future.set_exception(error)

    def check(self) -> None:
        """Raise what the page is lost to, if it is."""
        if self._future.done():
            self._future.result()

    async def raised(self, limit: float | None = None) -> None:
        """Raise what the page is lost to, as soon as it is; return after so many seconds where it is not."""
        await asyncio.wait({self._future}, timeout=limit)
        if self._future.done():
            await self._future


class Departures:
    """Counts how often an account's page has left the site since the last chat that it finished."""

    def __init__(self) -> None:
        self._count = 0

    def forget(self) -> None:
        """Begin to count again: the page has answered a chat."""
        self._count = 0

    def judged(self, error: BrowserError) -> BridgeError:
        """Return what the page is lost to; one that leaves whenever it is reopened is for a person to look at."""
        if not isinstance(error, LeftSite):
            return error
        self._count += 1
        return error.when_it_stays_away() if self._count >= MOST_DEPARTURES else error


async def why_left(driver: SiteDriver, error: BridgeError, limit: float) -> BridgeError:
    """Return what a page says that has left its chat in mid-answer, such as that nobody is signed in; else `error`.

    It is not asked where the site has said already why the answer ended.
    """
    if type(error) is not SiteError:
        return error
    try:
        async with within(limit, "The page was not ready"):
            await driver.ready()
    except SiteError as said:
        return said
    except BrowserError:
        pass
    return error
