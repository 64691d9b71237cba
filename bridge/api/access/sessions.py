"""Who is signed in to the dashboard: sessions, and the one-time tokens that open one; in memory, and only so many.

A session hangs on the key by which it was opened: where that is revoked, it ends as well.
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
"""Seconds in which a one-time token can be used."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, by the key of the id `key`; `csrf` must come with whatever changes something."""

    id: bytes = field(repr=False)
    key: str
    csrf: str = field(repr=False)
    ends: float
    """When it is over, as a Unix time."""

    @property
    def expires(self) -> datetime:
        """Return when it is over."""
        return datetime.fromtimestamp(self.ends, UTC)


class Sessions:
    """The open sessions, each found by its cookie, and the tokens that are not used yet; the oldest make room."""

    def __init__(self, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._life = hours * HOUR
        self._clock = clock
        self._open: dict[bytes, Session] = {}
        self._tokens: dict[bytes, tuple[str, float]] = {}

    def open(self, key: str) -> tuple[str, Session]:
        """Open a session for who has that key; return its cookie, too."""
        cookie = secrets.token_urlsafe(32)
        session = Session(digest_of(cookie), key, secrets.token_urlsafe(32), self._clock() + self._life)
        self._open[session.id] = session
        _make_room(self._open, MOST_SESSIONS)
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """Return the session of that cookie, unless it is over."""
        session = self._open.get(digest_of(cookie)) if cookie else None
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """Tell whether a session goes on."""
        if self._clock() >= session.ends:
            self.close(session)
        return session.id in self._open

    def close(self, session: Session) -> None:
        """End a session."""
        self._open.pop(session.id, None)

    def invite(self, key: str) -> tuple[str, datetime]:
        """Return a token that opens one session for who has that key, and until when."""
        token, ends = secrets.token_urlsafe(32), self._clock() + TOKEN_LIFE
        self._tokens[digest_of(token)] = key, ends
        _make_room(self._tokens, MOST_TOKENS)
        return token, datetime.fromtimestamp(ends, UTC)

    def redeem(self, token: str) -> str | None:
        """Return the key for which a token was given out, and take it back; None where it is not known any more."""
        key, ends = self._tokens.pop(digest_of(token), ("", 0.0))
        return key if self._clock() < ends else None


def _make_room(kept: dict[bytes, T], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
