"""Writes a page's current login back to disk, as a site that renews a login may refuse the old one."""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

from bridge.browser.browser import Chromium
from bridge.chat.ownership import Ownership
from bridge.errors import BridgeError
from bridge.worker.page_session import Session
from bridge.worker.stored_login import StoredLogin

EVERY = 120.0
"""Seconds between two checks for a renewed login while chats run."""


class WriteBack:
    """The write-back of an open page's login, unless `is_lost` tells that the page is lost."""

    def __init__(
        self, login: StoredLogin, ownership: Callable[[], Ownership], limit: float, is_lost: Callable[[], bool]
    ) -> None:
        self._login = login
        self._ownership = ownership
        self._limit = limit
        self._is_lost = is_lost
        self._last = 0.0

    async def if_due(self, session: Session, chromium: Chromium) -> None:
        """Write the login back, unless that was done less than `EVERY` seconds ago."""
        if time.monotonic() - self._last > EVERY:
            await self.now(session, chromium)

    async def now(self, session: Session, chromium: Chromium) -> None:
        """Write back the login that the page's browser has now."""
        if self._is_lost():
            return
        self._last = time.monotonic()
        try:
            captured = await session.capture(self._login.profile, self._limit)
            await chromium.check()  # a browser that lost its network service has lost its cookies, too
            session.may_act()
        except BridgeError as error:
            logger.warning("The login of {} could not be read: {}", self._login.profile.name, error.message)
            return
        if not self._is_lost():
            await self._login.keep(captured, self._ownership())
