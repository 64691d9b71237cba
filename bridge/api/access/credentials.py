"""Who may do what now: the keys, as their files are, and the dashboard's sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from loguru import logger

from bridge.api.access.sessions import Session, Sessions
from bridge.errors import BridgeError, SetupError
from bridge.origins import is_loopback
from bridge.settings import DashboardSettings, ServerSettings
from bridge.storage.api_keys import Key, KeyStore
from bridge.storage.key_files import LONG_ENOUGH, digest_of
from bridge.storage.key_limits import NO_LIMITS, KeyLimits
from bridge.storage.named_keys import Scope
from bridge.tasks import Tasks
from bridge.telemetry import AccountRenamed, Fact, Sink

LOOK_EVERY = 1.0
"""Seconds between two looks at the files, and between two checks of somebody who has a stream or a WebSocket open."""


class Credentials:
    """The keys and sessions of a running bridge; `is_free` tells that chats need none."""

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
        """Return the keys, those that have expired as well."""
        return list(self._keys.values())

    def key_of(self, given: str) -> Key | None:
        """Return what is known of a key that somebody shows, or None where it is not one of ours."""
        return self._keys.get(digest_of(given))

    def named(self, id: str) -> Key | None:  # noqa: A002
        """Return the key of that id."""
        return self._by_id.get(id)

    def limits_of(self, id: str) -> KeyLimits:  # noqa: A002
        """Return what the key of that id may do now."""
        key = self._by_id.get(id)
        return NO_LIMITS if key is None else key.limits

    def has_expired(self, key: Key) -> bool:
        """Tell whether a key was let in only until some time before now."""
        return key.limits.has_expired(self.now())

    def session_of(self, cookie: str) -> Session | None:
        """Return the session of a cookie, unless it is over or its key is revoked."""
        session = self.sessions.find(cookie)
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """Tell whether a session goes on."""
        if not self._is_admin(session.key):
            self.sessions.close(session)
        return self.sessions.is_open(session)

    def redeem(self, token: str) -> str | None:
        """Return the id of the key for which a one-time token was given out, where both are still good."""
        key = self.sessions.redeem(token)
        return key if key is not None and self._is_admin(key) else None

    def is_known(self, key: Key) -> bool:
        """Tell whether a key is still valid."""
        known = self._keys.get(key.digest)
        return known is not None and not self.has_expired(known)

    async def add(self, name: str, scope: Scope, limits: KeyLimits = NO_LIMITS) -> tuple[Key, str]:
        """Add a key, which is valid at once."""
        made = await asyncio.to_thread(self._stored().add, name, scope, limits)
        await self.refresh()
        return made

    async def change(self, id: str, given: Mapping[str, object]) -> Key:  # noqa: A002
        """Change some limits of a key, which count from the next chat on."""
        changed = await asyncio.to_thread(self._stored().change, id, given)
        await self.refresh()
        return changed

    async def rename_account(self, before: str, name: str) -> None:
        """Keep the keys that may use an account on it under its new name."""
        await asyncio.to_thread(self._stored().rename_account, before, name)
        await self.refresh()

    async def revoke(self, id: str) -> Key:  # noqa: A002
        """Revoke a key at once."""
        gone = await asyncio.to_thread(self._stored().revoke, id)
        await self.refresh()
        return gone

    async def watch(self) -> NoReturn:
        """Read the files again whenever they change, so that changes by a command take effect."""
        while True:
            await asyncio.sleep(self.look_every)
            try:
                await self.refresh()
            except BridgeError as error:
                logger.error("The API keys were not read again: {}", error.message)

    async def refresh(self) -> None:
        """Read the keys from the files again."""
        keys = await asyncio.to_thread(self._changed)
        if keys is not None:
            self._take(keys)

    def _changed(self) -> list[Key] | None:
        """Read the files, if they have changed since the last time."""
        store = self._stored()
        if (state := store.state()) == self._seen:
            return None
        self._seen = state  # one that cannot be read is complained about once
        return store.all()

    def _take(self, keys: Iterable[Key]) -> None:
        self._keys = {key.digest: key for key in keys}
        self._by_id = {key.id: key for key in self._keys.values()}

    def _is_admin(self, id: str) -> bool:  # noqa: A002
        key = self._by_id.get(id)
        return key is not None and key.scope == "admin" and not self.has_expired(key)

    def _stored(self) -> KeyStore:
        if self._store is None:
            raise SetupError("The keys of this bridge are in no file.")
        return self._store


def renamed_accounts(access: Credentials, tasks: Tasks) -> Sink:
    """Return a sink that has the keys follow the names of accounts; `tasks` write them."""

    def on_fact(fact: Fact) -> None:
        if isinstance(fact, AccountRenamed):
            tasks.start(access.rename_account(fact.before, fact.account))

    return on_fact


def load_credentials(config: Path, server: ServerSettings, dashboard: DashboardSettings) -> Credentials:
    """Read the keys, which a first start makes; raise what `check_reach` raises."""
    store, is_free = KeyStore(config), server.no_auth
    check_reach(server, store)
    store.prepare(is_free=is_free, is_local=dashboard.enabled)
    return Credentials(store.all(), Sessions(dashboard.session_hours), store, is_free=is_free)


def check_reach(server: ServerSettings, store: KeyStore) -> None:
    """Raise a `SetupError` where the bridge would stand open to others than this machine."""
    if is_loopback(server.host.strip("[]")):
        return
    if server.no_auth:
        raise SetupError(f"no_auth needs a loopback address, not {server.host}.")
    if store.shortest() < LONG_ENOUGH:
        raise SetupError(
            f"Beyond this machine every API key needs {LONG_ENOUGH} characters or more, "
            f"those in {store.plain.path} and {store.local.path} as well."
        )
