"""What the parts of the site share: its accounts, its open challenges, its secrets of this start."""

from __future__ import annotations

import secrets
import time

from aiohttp import web

from bridge.demo.accounts import Account
from bridge.demo.pow import Challenges
from bridge.demo.site_settings import DemoSettings
from bridge.demo.switchboard import Switchboard


class ShortTokens:
    """Hand out tokens that count for a limited time."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        """Make a new token."""
        now = time.monotonic()
        self._expiry = {t: until for t, until in self._expiry.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._expiry[token] = now + self.ttl
        return token

    def valid(self, token: str) -> bool:
        """Tell whether this token still counts."""
        return self._expiry.get(token, 0.0) > time.monotonic()


class Backend:
    """Hold the state of one running site."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings = settings
        self.build = secrets.token_hex(5)
        self.url = ""
        self.accounts: dict[str, Account] = {}
        self.board = Switchboard(lambda: None)
        self.challenges = Challenges(settings.pow_difficulty, settings.pow_ttl)
        self.hif = ShortTokens(settings.hif_ttl)
        for name in settings.accounts:
            self.add_account(name)

    def add_account(self, name: str) -> Account:
        """Register a new account."""
        if name in self.accounts:
            raise ValueError(f"there already is an account {name!r}")
        account = self.accounts[name] = Account(name, origin=lambda: self.url)
        return account

    def account_with_token(self, token: str) -> Account | None:
        """Find who is signed in with this token."""
        return next((a for a in self.accounts.values() if token in a.tokens), None)

    def account_with_cookie(self, cookie: str) -> Account | None:
        """Find whose session cookie this is."""
        return next((a for a in self.accounts.values() if cookie in a.cookies), None)

    def account_with_email(self, email: object) -> Account | None:
        """Find an account by its address."""
        return next((a for a in self.accounts.values() if a.email == email), None)


BACKEND = web.AppKey("backend", Backend)
