"""Writes the login that a page holds back to disk: a site that renews a login may refuse the old one."""

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
"""Seconds between two looks at whether the site rotated the login, while chats go on."""


class WriteBack:
    """Writes back what an open page holds, unless `is_lost` says that it holds nothing any more."""

    def __init__(
        self, login: StoredLogin, ownership: Callable[[], Ownership], limit: float, is_lost: Callable[[], bool]
    ) -> None:
        self._login = login
        self._ownership = ownership
        self._limit = limit
        self._is_lost = is_lost
        self._last = 0.0

    async def if_due(self, session: Session, chromium: Chromium) -> None:
        """Keep the login, unless that was done a short while ago."""
        if time.monotonic() - self._last > EVERY:
            await self.now(session, chromium)

    async def now(self, session: Session, chromium: Chromium) -> None:
        """Keep the login as the browser, in which the page is open, has it now."""
        if self._is_lost():
            return
        self._last = time.monotonic()
        try:
            captured = await session.capture(self._login.profile, self._limit)
            await chromium.check()  # one that lost its network service has lost its cookies, too
            session.may_act()
        except BridgeError as error:
            logger.warning("The login of {} could not be looked at: {}", self._login.profile.name, error.message)
            return
        if not self._is_lost():
            await self._login.keep(captured, self._ownership())
