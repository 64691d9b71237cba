"""The loss of an open page: its first reason is kept, and raised to all waiting callers."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.sites.contract import LeftSite, SiteDriver

MOST_DEPARTURES = 3
"""Departures without a chat in between after which a page is not reopened at once."""


class PageLoss:
    """The reason why one open page was lost; only the first one counts, and only the future holds it."""

    def __init__(self) -> None:
        self._future: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._future.add_done_callback(
            lambda future: future.cancelled() or future.exception()
        )  # perhaps no caller asks for it

    @property
    def happened(self) -> bool:
        """Tell whether the page is lost."""
        return self._future.done()

    def note(self, error: BridgeError) -> None:
        """Record that the page is lost because of `error`."""
        if not self._future.done():
            self._future.set_exception(error)

    def check(self) -> None:
        """Raise the reason of the loss if the page is lost."""
        if self._future.done():
            self._future.result()

    async def raised(self, limit: float | None = None) -> None:
        """Raise the reason as soon as the page is lost; return after `limit` seconds if it is not."""
        await asyncio.wait({self._future}, timeout=limit)
        if self._future.done():
            await self._future


class Departures:
    """The number of times that an account's page has left the site since its last finished chat."""

    def __init__(self) -> None:
        self._count = 0

    def forget(self) -> None:
        """Reset the count, as the page has answered a chat."""
        self._count = 0

    def judged(self, error: BrowserError) -> BridgeError:
        """Return the reason of a loss; if the page leaves whenever it is reopened, one that asks for a person."""
        if not isinstance(error, LeftSite):
            return error
        self._count += 1
        return error.if_repeated() if self._count >= MOST_DEPARTURES else error


async def why_left(driver: SiteDriver, error: BridgeError, limit: float) -> BridgeError:
    """Return why a page left its chat in mid-answer, such as that the account is signed out; else `error`.

    The page is not checked if the site has already named a reason.
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
