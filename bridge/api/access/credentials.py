"""The API keys, kept up to date with their files, and the dashboard's sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from loguru import logger

from bridge.api.access.sessions import Session, Sessions
from bridge.errors import AuthenticationError, BridgeError, SetupError
from bridge.origins import is_loopback
from bridge.settings import DashboardSettings, ServerSettings
from bridge.storage.api_keys import Key, KeyStore
from bridge.storage.key_files import LONG_ENOUGH, digest_of
from bridge.storage.key_limits import NO_LIMITS, KeyLimits
from bridge.storage.named_keys import Scope
from bridge.tasks import Tasks
from bridge.telemetry import AccountRenamed, Fact, Sink

LOOK_EVERY = 1.0
"""Seconds between two checks of the files, and between two checks of the sender of an open stream or WebSocket."""


class Credentials:
    """The keys and sessions of a running bridge; with `is_free` chats need no key."""

    def __init__(
        self,
        keys: Iterable[Key],
        sessions: Sessions,
        store: KeyStore | None = None,
        *,
        is_free: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.is_free = is_free
        self.now = clock
        self.sessions = sessions
        self.look_every = LOOK_EVERY
        self._store = store
        self._seen: object = None
        self._take(keys)

    @property
    def keys(self) -> list[Key]:
        """Return the keys, including expired ones."""
        return list(self._keys.values())

    def key_of(self, given: str) -> Key | None:
        """Return the key with that text, or None if it is unknown."""
        return self._keys.get(digest_of(given))

    def named(self, id: str) -> Key | None:  # noqa: A002
        """Return the key with that id, or None."""
        return self._by_id.get(id)

    def limits_of(self, id: str) -> KeyLimits:  # noqa: A002
        """Return the current limits of the key with that id."""
        key = self._by_id.get(id)
        return NO_LIMITS if key is None else key.limits

    def has_expired(self, key: Key) -> bool:
        """Tell whether a key has expired."""
        return key.limits.has_expired(self.now())

    def check_expiry(self, key: Key) -> None:
        """Raise `AuthenticationError` if a key has expired."""
        if self.has_expired(key):
            raise AuthenticationError(f"This API key expired on {key.limits.expires:%Y-%m-%d %H:%M} UTC.")

    def session_of(self, cookie: str) -> Session | None:
        """Return the session of a cookie, unless it has ended or its key is revoked."""
        session = self.sessions.find(cookie)
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """Tell whether a session is still valid; close it if its key is not an admin key any more."""
        if not self._is_admin(session.key):
            self.sessions.close(session)
        return self.sessions.is_open(session)

    def redeem(self, token: str) -> str | None:
        """Redeem a one-time token; return the id of its key, or None if one of them is not valid any more."""
        key = self.sessions.redeem(token)
        return key if key is not None and self._is_admin(key) else None

    def is_known(self, key: Key) -> bool:
        """Tell whether a key still exists and has not expired."""
        known = self._keys.get(key.digest)
        return known is not None and not self.has_expired(known)

    async def add(self, name: str, scope: Scope, limits: KeyLimits = NO_LIMITS) -> tuple[Key, str]:
        """Add a key, which is valid at once."""
        made = await asyncio.to_thread(self._stored().add, name, scope, limits)
        await self.refresh()
        return made

    async def change(self, id: str, given: Mapping[str, object]) -> Key:  # noqa: A002
        """Change some limits of a key, from its next chat on."""
        changed = await asyncio.to_thread(self._stored().change, id, given)
        await self.refresh()
        return changed

    async def rename_account(self, before: str, name: str) -> None:
        """Update the keys whose limits name an account to its new name."""
        await asyncio.to_thread(self._stored().rename_account, before, name)
        await self.refresh()

    async def revoke(self, id: str) -> Key:  # noqa: A002
        """Revoke a key at once."""
        gone = await asyncio.to_thread(self._stored().revoke, id)
        await self.refresh()
        return gone

    async def watch(self) -> NoReturn:
        """Reload the files whenever they change, so that changes by a command take effect."""
        while True:
            await asyncio.sleep(self.look_every)
            try:
                await self.refresh()
            except BridgeError as error:
                logger.error("Cannot reload the API keys: {}", error.message)

    async def refresh(self) -> None:
        """Reload the keys if their files have changed."""
        keys = await asyncio.to_thread(self._changed)
        if keys is not None:
            self._take(keys)

    def _changed(self) -> list[Key] | None:
        """Read the files; return None if they have not changed since the last time."""
        store = self._stored()
        if (state := store.state()) == self._seen:
            return None
        self._seen = state  # before reading, so that an unreadable file is logged once
        return store.all()

    def _take(self, keys: Iterable[Key]) -> None:
        self._keys = {key.digest: key for key in keys}
        self._by_id = {key.id: key for key in self._keys.values()}

    def _is_admin(self, id: str) -> bool:  # noqa: A002
        key = self._by_id.get(id)
        return key is not None and key.scope == "admin" and not self.has_expired(key)

    def _stored(self) -> KeyStore:
        if self._store is None:
            raise SetupError("The keys of this bridge are not stored in a file.")
        return self._store


def renamed_accounts(access: Credentials, tasks: Tasks) -> Sink:
    """Return a telemetry sink that updates the keys when an account is renamed; `tasks` write them."""

    def on_fact(fact: Fact) -> None:
        if isinstance(fact, AccountRenamed):
            tasks.start(access.rename_account(fact.before, fact.account))

    return on_fact


def load_credentials(config: Path, server: ServerSettings, dashboard: DashboardSettings) -> Credentials:
    """Read the keys, or create them at the first start; raises like `check_reach`."""
    store, is_free = KeyStore(config), server.no_auth
    check_reach(server, store)
    store.prepare(is_free=is_free, is_local=dashboard.enabled)
    return Credentials(store.all(), Sessions(dashboard.session_hours), store, is_free=is_free)


def check_reach(server: ServerSettings, store: KeyStore) -> None:
    """Raise a `SetupError` if other machines could reach the bridge without a strong key."""
    if is_loopback(server.host.strip("[]")):
        return
    if server.no_auth:
        raise SetupError(f"no_auth needs a loopback address, not {server.host}.")
    if store.shortest() < LONG_ENOUGH:
        raise SetupError(
            f"On an address beyond this machine every API key needs at least {LONG_ENOUGH} characters, "
            f"including those in {store.plain.path} and {store.local.path}."
        )
