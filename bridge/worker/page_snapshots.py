"""Snapshots of an account's page for the operator: diagnostic bundles, and thumbnails."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from pathlib import Path

from loguru import logger

from bridge.browser.page_calls import within
from bridge.errors import BridgeError, BrowserError, SiteChanged, StalePage
from bridge.worker.diagnostics import write_bundle
from bridge.worker.page_session import Session

WIDTH = 480
"""Largest width of a thumbnail in pixels."""
QUALITY = 60
FRESH = 4.0
"""Seconds for which a thumbnail is reused: taking one costs the page time in which it answers no chat."""


class PageSnapshots:
    """The snapshots of one account's page; the browser has `limit` seconds for each."""

    def __init__(self, account: str, folder: Path, limit: float) -> None:
        self._account = account
        self._folder = folder
        self._limit = limit
        self._taken: tuple[Session, float, bytes] | None = None
        self._one = asyncio.Lock()

    async def bundle(self, session: Session, reason: str) -> Path:
        """Write a bundle for the operator, and return its folder."""
        async with within(self._limit, "The page could not be documented"), session.window.restored():
            return await write_bundle(session, self._folder, self._account, reason)

    async def explained(self, session: Session, error: BridgeError) -> BridgeError:
        """Return `error`; if the page is not as the driver expects, write a bundle and name it in the error."""
        if not isinstance(error, SiteChanged) or isinstance(error, StalePage):
            return error
        try:
            bundle = await self.bundle(session, error.message)
        except (BrowserError, OSError) as failure:
            logger.warning("No bundle was written for {}: {}", self._account, failure)
            return error
        message = f"{error.message} The state of the page is in {bundle}."
        logger.warning("The page of {} is not as expected: {}", self._account, message)
        return error.replace(message=message, bundle=bundle.name)

    async def thumbnail(self, session: Session) -> bytes | None:
        """Return a small JPEG, at most a few seconds old; None if the browser cannot take one now."""
        async with self._one:
            if self._taken is not None:
                of, at, picture = self._taken
                if of is session and time.monotonic() - at < FRESH:
                    return picture
            with suppress(BrowserError):
                async with within(self._limit, "The browser took no picture of the page"):
                    picture = await _picture(session)
                self._taken = session, time.monotonic(), picture
                return picture
            return None


async def _picture(session: Session) -> bytes:
    cdp = session.interceptor.session
    view = (await cdp.send("Page.getLayoutMetrics"))["cssVisualViewport"]
    clip = {
        "x": view["pageX"],
        "y": view["pageY"],
        "width": view["clientWidth"],
        "height": view["clientHeight"],
        "scale": min(WIDTH / view["clientWidth"], 1),
    }
    asked = {"format": "jpeg", "quality": QUALITY, "clip": clip, "optimizeForSpeed": True}
    return base64.b64decode((await cdp.send("Page.captureScreenshot", asked))["data"])
