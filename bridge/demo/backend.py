"""State that the parts of the site share: accounts, open challenges, and the tokens of this run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aiohttp import web

from bridge.demo.accounts import Account
from bridge.demo.faults import FAULTS
from bridge.demo.pow import Challenges
from bridge.demo.site_settings import DemoSettings
from bridge.demo.switchboard import Faults, Switchboard

A = TypeVar("A", bound=Account)


class ShortTokens:
    """Tokens that are valid for a limited time."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        """Return a new token."""
        now = time.monotonic()
        self._expiry = {t: until for t, until in self._expiry.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._expiry[token] = now + self.ttl
        return token

    def valid(self, token: str) -> bool:
        """Tell whether a token is still valid."""
        return self._expiry.get(token, 0.0) > time.monotonic()


class AccountBook(Generic[A]):
    """The accounts of one running site, and the faults that it can play."""

    def __init__(self, faults: Faults, make: Callable[[str], A]) -> None:
        self.url = ""
        self.faults = faults
        self.accounts: dict[str, A] = {}
        self._make = make

    def add_account(self, name: str) -> A:
        """Register a new account."""
        if name in self.accounts:
            raise ValueError(f"there already is an account {name!r}")
        account = self.accounts[name] = self._make(name)
        return account

    def account_with_token(self, token: str) -> A | None:
        """Return the account that is signed in with a token."""
        return next((a for a in self.accounts.values() if token in a.tokens), None)

    def account_with_cookie(self, cookie: str) -> A | None:
        """Return the account of a session cookie."""
        return next((a for a in self.accounts.values() if cookie in a.cookies), None)

    def account_with_email(self, email: object) -> A | None:
        """Return the account with an e-mail address."""
        return next((a for a in self.accounts.values() if a.email == email), None)


class Backend(AccountBook[Account]):
    """The state of one running site."""

    def __init__(self, settings: DemoSettings) -> None:
        super().__init__(FAULTS, lambda name: Account(name, origin=lambda: self.url))
        self.settings = settings
        self.build = secrets.token_hex(5)
        self.board = Switchboard(lambda: None)
        self.challenges = Challenges(settings.pow_difficulty, settings.pow_ttl)
        self.hif = ShortTokens(settings.hif_ttl)
        for name in settings.accounts:
            self.add_account(name)


BOOK: web.AppKey[AccountBook[Any]] = web.AppKey("book", AccountBook)
BACKEND = web.AppKey("backend", Backend)
