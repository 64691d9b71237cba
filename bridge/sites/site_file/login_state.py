"""Finds out whether the page is signed in, from the signs that a site file names.

A guest's page has the whole composer, so that proves nothing. Sign-in buttons may appear seconds later; a stored token
may be stale. The reply to the page's own call for its user decides at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from bridge.sites.site_file.page_schema import Login, Sign
from bridge.sites.site_file.page_signs import PageSigns

LoginStatus = Literal["in", "out", "guest", "open"]
SHOWN = 1.0
"""Seconds that a page must look signed out: many do so until they know their user."""
SHOWN_WAITING = 8.0
"""The same for a page that waits for the network, perhaps for its user."""
LOOK_EVERY = 0.1


class LoginState:
    """The login of one page."""

    def __init__(self, signs: PageSigns, login: Login, is_waiting: Callable[[], bool]) -> None:
        self._signs = signs
        self._login = login
        self._is_waiting = is_waiting
        """Tells whether the page waits for the network."""
        self._loaded_at = time.monotonic()
        self._signed_out_since: float | None = None
        """When the page began to look signed out."""
        self._by_calls = tuple(sign for sign in login.signed_out if sign.call)
        self._by_page = tuple(sign for sign in login.signed_out if not sign.call)

    def loaded(self) -> None:
        """Start the waits for late signs again, because the page was loaded."""
        self._loaded_at, self._signed_out_since = time.monotonic(), None

    @property
    def looks_signed_out(self) -> bool:
        """Tell whether the page looked signed out at the last check."""
        return self._signed_out_since is not None

    async def is_signed_out(self) -> bool:
        """Wait until it is clear whether the page is signed out, and return that."""
        while (is_signed_out := await self._is_signed_out()) is None and self._signs.failure is None:
            await asyncio.sleep(LOOK_EVERY)
        return is_signed_out is True

    async def status(self) -> LoginStatus:
        """Return the state of the login: `open` while it is not clear yet, `guest` for a visitor who may chat."""
        login = self._login
        if is_signed_out := await self._is_signed_out():
            return "guest" if login.guest else "out"
        if is_signed_out is None:
            return "open"
        proof = await self._signs.seen(login.signed_in)
        if proof is not None and not is_weak(proof):
            return "in"
        if time.monotonic() < self._loaded_at + login.settle:
            return "open"
        if proof is not None or not login.signed_in:
            return "in"
        return "guest" if login.guest else "open"

    async def _is_signed_out(self) -> bool | None:
        """Tell whether the page is signed out; None while it only looks so and may not know its user yet."""
        if await self._signs.seen(self._by_calls):
            return True
        if not await self._signs.seen(self._by_page):
            self._signed_out_since = None
            return False
        now = time.monotonic()
        self._signed_out_since = self._signed_out_since or now
        if self._signs.failure is not None:
            return None
        return True if now >= self._signed_out_since + (SHOWN_WAITING if self._is_waiting() else SHOWN) else None


def is_weak(sign: Sign) -> bool:
    """Tell whether a sign is only a stored value, which may be stale."""
    return sign.storage is not None or sign.cookie is not None
