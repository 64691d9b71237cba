"""The pictures of one page, as Chromium makes them whenever it draws: the newest one counts.

Chromium waits for no slow viewer: it makes pictures as fast as they are acknowledged and drops those in between, the
last one of a movement, too. So the cast is begun anew once the page has come to rest, which gives one more picture.
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
"""Pictures are multiples of so many pixels wide and high, so that a window may change a little without a new cast."""
REST = 0.35
"""Seconds without a picture after which the page has come to rest."""
LAST = 0.3
"""Seconds after a beginning in which a picture is the one that this gives."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG of a page, and the size of the page's view in CSS pixels."""

    jpeg: bytes
    width: int
    height: int


class Cast:
    """Gives the pictures of a page to `show`, at most one in `pause()` seconds, until it is closed."""

    def __init__(self, session: CDPSession, show: Callable[[Picture], None], pause: Callable[[], float]) -> None:
        self.size = (0, 0)
        self._session = session
        self._show = show
        self._pause = pause
        self._begun_at = self._answered_at = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self._tasks = Tasks()
        session.on("Page.screencastFrame", self._on_frame)

    async def begin(self, width: int, height: int) -> None:
        """Make pictures that fit into a window of so many pixels, also where it makes larger or smaller ones now."""
        size = (_rounded(width), _rounded(height))
        if size != self.size:
            self.size = size
            await self._begin()

    async def pause(self) -> None:
        """Make no pictures until `begin` is called again."""
        self.size = (0, 0)
        self._calm()
        with suppress(PlaywrightError):
            await self._session.send("Page.stopScreencast")

    async def close(self) -> None:
        """Make no more pictures."""
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
            self._show(Picture(base64.b64decode(event["data"]), width, height))
            self._calm()
            if time.monotonic() > self._begun_at + LAST:
                self._rest = asyncio.get_running_loop().call_later(REST, lambda: self._tasks.start(self._begin()))
        self._tasks.start(self._answer(event["sessionId"]))

    def _calm(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    async def _answer(self, number: int) -> None:
        """Let Chromium make the next picture, after a pause."""
        wait = self._answered_at + self._pause() - time.monotonic()
        self._answered_at = time.monotonic() + max(wait, 0.0)
        if wait > 0:
            await asyncio.sleep(wait)
        with suppress(PlaywrightError):
            await self._session.send("Page.screencastFrameAck", {"sessionId": number})


def _rounded(length: int) -> int:
    return max(STEP, -(-length // STEP) * STEP)
