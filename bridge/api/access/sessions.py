"""The sessions of the dashboard, and the one-time tokens that open one; in memory, and bounded in number.

A session belongs to the key with which it was opened, and ends when that key is revoked.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from bridge.durations import HOUR
from bridge.storage.key_files import digest_of

MOST_SESSIONS = 200
MOST_TOKENS = 50
TOKEN_LIFE = 600.0
"""Seconds for which a one-time token is valid."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """A session opened with the key of the id `key`; requests that change something must send its `csrf` token."""

    id: bytes = field(repr=False)
    key: str
    csrf: str = field(repr=False)
    ends: float
    """When the session ends, as a Unix time."""

    @property
    def expires(self) -> datetime:
        """Return when the session ends."""
        return datetime.fromtimestamp(self.ends, UTC)


class Sessions:
    """The open sessions by their cookies, and the unused tokens; the oldest are dropped first."""

    def __init__(self, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._life = hours * HOUR
        self._clock = clock
        self._open: dict[bytes, Session] = {}
        self._tokens: dict[bytes, tuple[str, float]] = {}

    def open(self, key: str) -> tuple[str, Session]:
        """Open a session for a key; return its cookie and the session."""
        cookie = secrets.token_urlsafe(32)
        session = Session(digest_of(cookie), key, secrets.token_urlsafe(32), self._clock() + self._life)
        self._open[session.id] = session
        _make_room(self._open, MOST_SESSIONS)
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, unless it has ended."""
        session = self._open.get(digest_of(cookie)) if cookie else None
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """Tell whether a session is still open; close it if its time is over."""
        if self._clock() >= session.ends:
            self.close(session)
        return session.id in self._open

    def close(self, session: Session) -> None:
        """End a session."""
        self._open.pop(session.id, None)

    def invite(self, key: str) -> tuple[str, datetime]:
        """Return a token that opens one session for a key, and when the token expires."""
        token, ends = secrets.token_urlsafe(32), self._clock() + TOKEN_LIFE
        self._tokens[digest_of(token)] = key, ends
        _make_room(self._tokens, MOST_TOKENS)
        return token, datetime.fromtimestamp(ends, UTC)

    def redeem(self, token: str) -> str | None:
        """Return the key of a token and invalidate the token; None if it is unknown or has expired."""
        key, ends = self._tokens.pop(digest_of(token), ("", 0.0))
        return key if self._clock() < ends else None


def _make_room(kept: dict[bytes, T], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
