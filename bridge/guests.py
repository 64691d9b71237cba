"""Temporary accounts: each signed in by a token that a client sent, and closed when nobody has used it for a while.

Only a chat that brings the very token is given to such an account. Whatever names one, in the log or on disk, holds
a digest of the token and never the token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from bridge.accounts import PoolWorker, Slot
from bridge.chat import Model
from bridge.errors import PoolFull, RequestError
from bridge.settings import TokenSettings
from bridge.supervisor import Accounts
from bridge.tasks import Tasks
from bridge.telemetry import WorkerState

LOOKS = 4
"""How often within the idle time the accounts are looked at."""
CHECKS = 2
"""Tokens that are checked at a time."""
CHECK_WAIT = 60.0
"""Seconds that a check may wait for others."""
RETRY_AFTER = 5.0
"""Seconds that clients are asked to wait for an account to become free."""


class TokenSite(Protocol):
    """What is needed of a site that tokens sign in to; `TokenLogins` is the real one."""

    @property
    def models(self) -> Sequence[Model]:
        """Return the base names of the models that the site serves."""
        ...

    def worker(self, name: str, token: str) -> PoolWorker:
        """Return a worker that is signed in by the token."""
        ...

    async def is_live(self, token: str) -> bool:
        """Tell whether the token still signs in, without sending a chat."""
        ...


@dataclass(slots=True)
class Guest:
    """One temporary account; `used` is when the clock last showed it in use."""

    slot: Slot
    used: float


class Guests:
    """Opens the accounts and closes them again, in the accounts of the pool."""

    def __init__(
        self, site: TokenSite | None, settings: TokenSettings, accounts: Accounts, in_use: Callable[[Slot], bool]
    ) -> None:
        self._site = site
        self._settings = settings
        self._accounts = accounts
        self._in_use = in_use
        self._guests: dict[str, Guest] = {}
        self._checks = asyncio.Semaphore(CHECKS)
        self._tasks = Tasks()

    @property
    def are_welcome(self) -> bool:
        """Tell whether there is a site that tokens sign in to."""
        return self._site is not None

    def start(self) -> None:
        """Begin to look for accounts that nobody uses any more."""
        self._tasks.keep(self._look_after)

    async def close(self) -> None:
        """Stop looking; the accounts themselves are closed with all others."""
        await self._tasks.close()

    def known(self, tokens: Collection[str]) -> list[Slot]:
        """Return the accounts of these tokens that are there already."""
        names = map(name_of, tokens)
        return [self._guests[name].slot for name in names if name in self._guests]

    def admit(self, tokens: Collection[str]) -> list[Slot]:
        """Return the accounts of these tokens, opened where they are not; raise where there is no room for them."""
        site, most = self._asked(), self._settings.max_accounts
        wanted = {name_of(token): token for token in tokens}
        if len(wanted) > most:
            raise RequestError(f"Send at most {most} userTokens at a time.")
        self._make_room(wanted)
        for name, token in wanted.items():
            if name not in self._guests:
                self._guests[name] = Guest(self._accounts.add(site.worker(name, token)), 0.0)
            self._use(self._guests[name])
        return [self._guests[name].slot for name in wanted]

    async def is_live(self, token: str) -> bool:
        """Tell whether the token still signs in; an account that is open knows, else the site is asked."""
        site = self._asked()
        states = [slot.state for slot in self.known([token])]
        if states and states[0] in (WorkerState.READY, WorkerState.LOGGED_OUT):
            return states[0] is WorkerState.READY
        try:
            async with asyncio.timeout(CHECK_WAIT):
                await self._checks.acquire()
        except TimeoutError as error:
            raise PoolFull("Too many tokens are being checked.", retry_after=RETRY_AFTER) from error
        try:
            return await site.is_live(token)
        finally:
            self._checks.release()

    def _asked(self) -> TokenSite:
        if self._site is None:
            raise RequestError("Logins of clients are not taken here; the setting tokens.enabled allows them.")
        return self._site

    def _make_room(self, wanted: Collection[str]) -> None:
        """Close the accounts that were unused for longest, as many as it takes for the `wanted` ones."""
        others = [name for name in self._guests if name not in wanted]
        excess = len(others) + len(wanted) - self._settings.max_accounts
        idle = [name for name in others if not self._in_use(self._guests[name].slot)]
        if excess > len(idle):
            raise PoolFull("All temporary accounts are in use.", retry_after=RETRY_AFTER)
        for name in sorted(idle, key=lambda name: self._guests[name].used)[: max(excess, 0)]:
            self._close(name)

    def _use(self, guest: Guest) -> None:
        """Note that the account is in use; one that is signed out goes in time, so that the token is tried anew."""
        if guest.slot.state is not WorkerState.LOGGED_OUT:
            guest.used = time.monotonic()

    def _close(self, name: str) -> None:
        self._accounts.remove(self._guests.pop(name).slot)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self._settings.idle / LOOKS)
            for name, guest in list(self._guests.items()):
                if self._in_use(guest.slot):
                    self._use(guest)
                elif time.monotonic() - guest.used >= self._settings.idle:
                    self._close(name)


def name_of(token: str) -> str:
    """Return the name of a token's account, from which nobody learns the token."""
    return f"token-{sha256(token.encode()).hexdigest()[:16]}"
