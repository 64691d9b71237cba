"""Tells whether the page is signed in: by what proves it, and against what shows a guest.

A guest's page has the whole composer, so that proves nothing. Buttons to sign in may come seconds later; a stored token
may be stale. What the page's own call for its user was answered settles it at once.
"""

from __future__ import annotations

import time
from typing import Literal

from bridge.sites.site_file.page_schema import Login, Sign
from bridge.sites.site_file.page_signs import PageSigns

LoginStanding = Literal["in", "out", "guest", "open"]


class LoginState:
    """How the login stands on one page."""

    def __init__(self, signs: PageSigns, login: Login) -> None:
        self._signs = signs
        self._login = login
        self._loaded_at = time.monotonic()

    def loaded(self) -> None:
        """Wait anew for late signs: the page was loaded."""
        self._loaded_at = time.monotonic()

    async def standing(self) -> LoginStanding:
        """Return how it stands: `open` while it is not clear yet, `guest` where nobody need be signed in."""
        login = self._login
        if await self._signs.seen(login.signed_out):
            return "guest" if login.guest else "out"
        proof = await self._signs.seen(login.signed_in)
        if proof is not None and not is_weak(proof):
            return "in"
        if time.monotonic() < self._loaded_at + login.settle:
            return "open"
        if proof is not None or not login.signed_in:
            return "in"
        return "guest" if login.guest else "open"


def is_weak(sign: Sign) -> bool:
    """Tell whether a sign is only what was stored, which may be stale."""
    return sign.storage is not None or sign.cookie is not None
