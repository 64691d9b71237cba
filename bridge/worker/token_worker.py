"""Accounts that a client's own login token signs in: the token is put where the site's page keeps it.

Nothing of it is stored. Whether a token still counts is seen by the page, which signs itself out where it does not.
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
"""Seconds in which a page that looks signed in may still sign itself out, because the site refused its token."""
SHOWN = 4
"""Characters of a token that its owner may recognise it by."""


class TokenWorker(Worker):
    """A worker whose login is a client's token, kept nowhere."""

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
        """Return `error`; say of a lost login that it was the client's token."""
        if isinstance(error, TokenRefused) or not isinstance(error, LoginRequired):
            return error
        message = f"The site does not take the userToken that ends in '{self._end}'; sign in there again."
        return TokenRefused(message, sent=error.sent)


class TokenLogins:
    """Makes workers of tokens, and checks whether a token still signs in; see `token_accounts.TokenSite`.

    Raises `SetupError` where the site of the settings cannot be signed in to by a token.
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
        """Return the base names of the models that the site serves."""
        return models_of(self._driver_type, self._settings.files)

    def worker(self, name: str, token: str) -> TokenWorker:
        """Return a worker that is signed in by the token."""
        return TokenWorker(self._profile(name, token), token, self._chromium, self._settings, self._telemetry)

    async def is_live(self, token: str) -> bool:
        """Open the site with the token, send nothing, and tell whether it is signed in."""
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
        except Muted:  # signed in, but silenced
            return True
        return True

    def _profile(self, name: str, token: str) -> Profile:
        state = self._driver_type.token_state(self._url, token)
        return Profile(name=name, site=self._site, url=self._url, storage_state=state)
