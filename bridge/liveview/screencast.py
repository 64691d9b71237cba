"""The screencast of one page: Chromium sends a frame whenever it draws, and only the newest one matters.

Chromium sends the next frame once the last one is acknowledged, and drops those in between, even the last one of a
movement. So the screencast restarts once the page has come to rest, which yields one more frame.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from bridge.tasks import Tasks

QUALITY = 65
STEP = 32
"""Width and height of frames are multiples of this many pixels, so that small changes of a window restart nothing."""
REST = 0.35
"""Seconds without a frame after which the page counts as at rest."""
LAST = 0.3
"""Seconds after a start in which a frame comes from the start itself, and so schedules no further restart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A JPEG of a page, and the size of the page's view in CSS pixels."""

    jpeg: bytes
    width: int
    height: int


class Screencast:
    """Calls `show` with the frames of a page, at most one in `pause()` seconds, until it is closed."""

    def __init__(self, session: CDPSession, show: Callable[[Frame], None], pause: Callable[[], float]) -> None:
        self.size = (0, 0)
        self._session = session
        self._show = show
        self._pause = pause
        self._begun_at = self._answered_at = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self._tasks = Tasks()
        session.on("Page.screencastFrame", self._on_frame)

    async def begin(self, width: int, height: int) -> None:
        """Send frames that fit into a window of this size in pixels; restart a screencast of another size."""
        size = (_rounded(width), _rounded(height))
        if size != self.size:
            self.size = size
            await self._begin()

    async def pause(self) -> None:
        """Send no frames until `begin` is called again."""
        self.size = (0, 0)
        self._calm()
        with suppress(PlaywrightError):
            await self._session.send("Page.stopScreencast")

    async def close(self) -> None:
        """Stop for good."""
        await self.pause()
        await self._tasks.close()

    async def _begin(self) -> None:
        self._begun_at = time.monotonic()
        width, height = self.size
        options = {"format": "jpeg", "quality": QUALITY, "maxWidth": width, "maxHeight": height}
        with suppress(PlaywrightError):
            await self._session.send("Page.stopScreencast")
            await self._session.send("Page.startScreencast", options)

    def _on_frame(self, event: dict[str, Any]) -> None:
        about = event["metadata"]
        width, height = (max(0, min(int(about[side]), 65535)) for side in ("deviceWidth", "deviceHeight"))
        if self.size != (0, 0):
            self._show(Frame(base64.b64decode(event["data"]), width, height))
            self._calm()
            if time.monotonic() > self._begun_at + LAST:
                self._rest = asyncio.get_running_loop().call_later(REST, lambda: self._tasks.start(self._begin()))
        self._tasks.start(self._answer(event["sessionId"]))

    def _calm(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    async def _answer(self, number: int) -> None:
        """Acknowledge a frame after the pause, so that Chromium sends the next one."""
        wait = self._answered_at + self._pause() - time.monotonic()
        self._answered_at = time.monotonic() + max(wait, 0.0)
        if wait > 0:
            await asyncio.sleep(wait)
        with suppress(PlaywrightError):
            await self._session.send("Page.screencastFrameAck", {"sessionId": number})


def _rounded(length: int) -> int:
    return max(STEP, -(-length // STEP) * STEP)
