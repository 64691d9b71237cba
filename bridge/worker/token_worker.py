"""Accounts that a client's own login token signs in: the token is put where the site's page keeps it.

The token is not stored. A page shows whether its token is still valid, as it signs itself out if not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import within
from bridge.chat.operator_visit import Visit
from bridge.chat.types import Model
from bridge.errors import BridgeError, LoginRequired, Muted, TokenRefused
from bridge.settings import PageSettings, TokenSettings
from bridge.sites.known_sites import load_driver
from bridge.storage.profiles import Profile
from bridge.telemetry import Telemetry
from bridge.worker.page_session import Session, open_session
from bridge.worker.turn_plan import models_of
from bridge.worker.worker import Worker

SECOND_THOUGHTS = 1.0
"""Seconds in which a page that looks signed in may still sign itself out after the site refused its token."""
SHOWN = 4
"""Last characters of a token that are shown to its owner."""


class TokenWorker(Worker):
    """A worker whose login is a client's token, which is not stored."""

    def __init__(
        self, profile: Profile, token: str, chromium: Chromium, settings: PageSettings, telemetry: Telemetry
    ) -> None:
        super().__init__(profile, None, chromium, settings, telemetry)
        self._end = token[-SHOWN:]

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        """Open the page; see `Worker.opened`."""
        try:
            async with super().opened(visit):
                yield
        except LoginRequired as error:
            raise self._token_error(error) from error

    async def _explained(self, session: Session, error: BridgeError, *, sent: bool = False) -> BridgeError:
        return self._token_error(await super()._explained(session, error, sent=sent))

    def _token_error(self, error: BridgeError) -> BridgeError:
        """Return `error`; for a lost login, one that names the client's token."""
        if isinstance(error, TokenRefused) or not isinstance(error, LoginRequired):
            return error
        message = f"The site does not accept the userToken that ends in '{self._end}'; sign in there again."
        return TokenRefused(message, sent=error.sent)


class TokenLogins:
    """A site whose accounts tokens sign in; see `token_accounts.TokenSite`.

    Raise `SetupError` if the site of the settings does not support sign-in by a token.
    """

    def __init__(self, chromium: Chromium, settings: PageSettings, tokens: TokenSettings, telemetry: Telemetry) -> None:
        self._driver_type = load_driver(tokens.site, settings.folders.site_files)
        self._site = tokens.site
        self._url = (tokens.url or self._driver_type.start_url).rstrip("/")
        self._chromium = chromium
        self._settings = settings
        self._telemetry = telemetry
        self._profile("site", "")

    @property
    def models(self) -> Sequence[Model]:
        """Return the base models that the site serves."""
        return models_of(self._driver_type, self._settings.files)

    def worker(self, name: str, token: str) -> TokenWorker:
        """Return a worker that the token signs in."""
        return TokenWorker(self._profile(name, token), token, self._chromium, self._settings, self._telemetry)

    async def is_live(self, token: str) -> bool:
        """Open the site with the token and tell whether it is signed in; send nothing."""
        profile = self._profile("token", token)
        try:
            async with (
                open_session(self._chromium, profile, self._driver_type, self._settings) as session,
                within(self._settings.turn.ready, "The page was not ready"),
            ):
                await session.driver.ready()
                await asyncio.sleep(SECOND_THOUGHTS)
                await session.driver.ready()
        except LoginRequired:
            return False
        except Muted:  # signed in, but muted
            return True
        return True

    def _profile(self, name: str, token: str) -> Profile:
        state = self._driver_type.token_state(self._url, token)
        return Profile(name=name, site=self._site, url=self._url, storage_state=state)
