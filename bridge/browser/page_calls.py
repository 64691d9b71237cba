"""Limits Playwright calls in time, and translates Playwright's errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from playwright.async_api import Error as PlaywrightError

from bridge.errors import BrowserError, NetworkError

REPLACED = "Node is detached from document"
"""Chromium's message for an element that is no longer in the page."""
MOVED_ON = (
    REPLACED,
    *("Execution context was destroyed", "not attached to the DOM", "because of a navigation"),
    *("JSHandle is disposed", "JSHandles can be evaluated only in the context they were created"),
    *("different document", "rame was detached", "rame got detached"),
    # the same, in Chromium's words
    *("Inspected target navigated", "Cannot find context with specified id", "Could not find object with given id"),
    *("Could not find node with given id", "No node with given id found", "No node found for given backend id"),
    *("Node with given id does not belong to the document", "Promise was collected"),
)
"""Parts of Playwright's messages for a document or an element that is gone."""
MOMENT = 0.05
"""Seconds in which a closing browser reports its own end, after its pages were closed."""
NET_ERROR = re.compile(r"net::ERR_[A-Z0-9_]+")
NO_NET_ERRORS = ("net::ERR_ABORTED", "net::ERR_FAILED", "net::ERR_BLOCKED_BY_CLIENT")
"""Chromium's errors for a request that the page or the bridge gave up."""
ASKED = 3
"""Attempts to get a sign of life before its absence counts."""


class PageMovedOn(BrowserError):
    """The page went on to another document in the middle of a call."""


@asynccontextmanager
async def within(limit: float, failure: str) -> AsyncGenerator[None]:
    """Allow the calls inside `limit` seconds; raise `BrowserError` if they take longer or Playwright fails.

    Raise `NetworkError` if a site cannot be reached.
    """
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError as error:
        raise BrowserError(f"{failure} within {limit:g} seconds.") from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # not cancelled by a caller: Playwright cancels its open calls when its driver dies
        raise BrowserError("The browser was lost during a call.") from None
    except PlaywrightError as error:
        if (found := NET_ERROR.search(str(error))) and found[0] not in NO_NET_ERRORS:
            raise NetworkError(unreachable(found[0])) from error
        if has_moved_on(error):
            raise PageMovedOn("The page repeatedly re-rendered or went to another document.") from error
        raise BrowserError(f"The browser failed: {first_line(error)}") from error


def after_a_moment(tell: Callable[[], None]) -> None:
    """Call `tell` a moment later, so that a browser that ended with its page reports the better reason first."""
    asyncio.get_running_loop().call_later(MOMENT, tell)


def unreachable(net_error: str) -> str:
    """Return the message for the client for one of Chromium's net errors."""
    return f"The site cannot be reached ({net_error.removeprefix('net::')})."


async def sign_of_life(
    ask: Callable[[], Awaitable[object]], limit: float, silence: str, signs: Callable[[], object] = lambda: None
) -> None:
    """Ask for a sign of life, `limit` seconds at a time; raise `BrowserError` after `ASKED` times without any.

    A busy machine answers late, so a change of the result of `signs` also counts.
    """
    before = signs()
    async with within(ASKED * limit + 1, silence):
        for _ in range(ASKED):
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await ask()
                    return
            if signs() != before:
                return
    raise BrowserError(f"{silence} within {ASKED * limit:g} seconds.")


def first_line(error: BaseException) -> str:
    """Return the message of an error without the call log that Playwright appends."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def has_moved_on(error: PlaywrightError) -> bool:
    """Tell whether a call failed only because the page went to another document meanwhile."""
    return any(words in str(error) for words in MOVED_ON)
