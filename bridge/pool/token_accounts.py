"""Temporary accounts: each signed in by a token that a client sent, and closed when nobody has used it for a while.

Only a chat that brings the very token is given to such an account. Whatever names one, in the log or on disk, holds
a digest of the token and never the token. A token that the site refused is remembered by that digest, so that
invented ones do not open pages again and again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from bridge.chat.types import Model
from bridge.errors import PoolFull, RequestError, TokenRefused, TooManyAttempts
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.supervisor import Supervisor
from bridge.settings import TokenSettings
from bridge.tasks import Tasks
from bridge.telemetry import WorkerState
from bridge.throttle import Throttle

LOOKS = 4
"""How often within the idle time the accounts are looked at."""
CHECKS = 2
"""Tokens that are checked at a time."""
CHECK_WAIT = 60.0
"""Seconds that a check may wait for others."""
TRIALS, TRIALS_OF_ALL = 2, 4
"""Tokens of one client, and of all, that may be tried at a time; those of a single request may be more."""
REFUSALS = (10, 30.0)
"""How many tokens of a client the site may refuse at once, and the seconds until one more is tried."""
MOST_REMEMBERED = 4096
"""Refused tokens that are remembered."""
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
class TokenAccount:
    """One temporary account; `used` is when the clock last showed it in use, `peer` who brought its token."""

    slot: Slot
    peer: str
    used: float = 0.0


class RefusedTokens:
    """The names of tokens that the site refused, each for some time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._refused: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def note(self, name: str, reason: str) -> None:
        """Remember a token."""
        self._refused[name] = (time.monotonic() + self._seconds, reason)
        self._refused.move_to_end(name)
        if len(self._refused) > MOST_REMEMBERED:
            self._refused.popitem(last=False)

    def reason(self, name: str) -> str | None:
        """Return why a token was refused, or None where that is not known, or was too long ago."""
        until, reason = self._refused.get(name, (0.0, ""))
        return reason if time.monotonic() < until else None


class TokenAccounts:
    """Opens the accounts and closes them again, in the accounts of the pool."""

    def __init__(
        self, site: TokenSite | None, settings: TokenSettings, supervisor: Supervisor, in_use: Callable[[Slot], bool]
    ) -> None:
        self._site = site
        self._settings = settings
        self._supervisor = supervisor
        self._in_use = in_use
        self._token_accounts: dict[str, TokenAccount] = {}
        self._checks = asyncio.Semaphore(CHECKS)
        self._refused = RefusedTokens(settings.idle)
        self._refusals = Throttle(*REFUSALS)
        self._tasks = Tasks()

    @property
    def is_enabled(self) -> bool:
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
        return [self._token_accounts[name].slot for name in names if name in self._token_accounts]

    def refused(self, tokens: Collection[str]) -> list[str]:
        """Return why the site has refused those of the tokens that it has refused of late."""
        reasons = map(self._refused.reason, dict.fromkeys(map(name_of, tokens)))
        return [reason for reason in reasons if reason is not None]

    def admit(self, tokens: Collection[str], peer: str = "") -> list[Slot]:
        """Return the accounts of these tokens, opened where they are not; raise where there is no room for them.

        Tokens that the site has refused of late are left out; if all of them were, raise `TokenRefused`.
        """
        site, most = self._asked(), self._settings.max_accounts
        wanted = {name_of(token): token for token in tokens}
        if len(wanted) > most:
            raise RequestError(f"Send at most {most} userTokens at a time.")
        self._note_refusals()
        if reasons := self.refused(tokens):
            wanted = {name: token for name, token in wanted.items() if self._refused.reason(name) is None}
            if not wanted:
                raise TokenRefused(" ".join(reasons))
        self._check_trials(sum(name not in self._token_accounts for name in wanted), peer)
        self._make_room(wanted)
        for name, token in wanted.items():
            if name not in self._token_accounts:
                self._token_accounts[name] = TokenAccount(
                    self._supervisor.add(site.worker(name, token), is_token_account=True), peer
                )
            self._token_accounts[name].used = time.monotonic()
        return [self._token_accounts[name].slot for name in wanted]

    async def is_live(self, token: str) -> bool:
        """Tell whether the token still signs in; an account that is open knows, else the site is asked."""
        site = self._asked()
        self._note_refusals()
        if self._refused.reason(name_of(token)) is not None:
            return False
        states = [slot.state for slot in self.known([token])]
        if states and states[0] in (WorkerState.READY, WorkerState.LOGGED_OUT):
            return states[0] is WorkerState.READY
        try:
            async with asyncio.timeout(CHECK_WAIT):
                await self._checks.acquire()
        except TimeoutError as error:
            raise PoolFull("Too many tokens are being checked.", retry_after=RETRY_AFTER) from error
        try:
            if is_live := await site.is_live(token):
                return is_live
        finally:
            self._checks.release()
        self._refused.note(name_of(token), "The site does not take the userToken; sign in there again.")
        return False

    def _asked(self) -> TokenSite:
        if self._site is None:
            raise RequestError("Logins of clients are not taken here; the setting tokens.enabled allows them.")
        return self._site

    def _make_room(self, wanted: Collection[str]) -> None:
        """Close the accounts that were unused for longest, as many as it takes for the `wanted` ones."""
        others = [name for name in self._token_accounts if name not in wanted]
        excess = len(others) + len(wanted) - self._settings.max_accounts
        idle = [name for name in others if not self._in_use(self._token_accounts[name].slot)]
        if excess > len(idle):
            raise PoolFull("All temporary accounts are in use.", retry_after=RETRY_AFTER)
        for name in sorted(idle, key=lambda name: self._token_accounts[name].used)[: max(excess, 0)]:
            self._close(name)

    def _check_trials(self, new: int, peer: str) -> None:
        """Raise unless so many more tokens of the client may be tried now; those with an account are none."""
        if not new:
            return
        if wait := self._refusals.wait(peer):
            raise TooManyAttempts("The site refused too many userTokens from this address.", retry_after=wait)
        trials = [
            account.peer for account in self._token_accounts.values() if account.slot.state is WorkerState.STARTING
        ]
        of_peer = trials.count(peer)
        if (of_peer and of_peer + new > TRIALS) or (trials and len(trials) + new > TRIALS_OF_ALL):
            raise PoolFull("Other userTokens are being tried.", retry_after=RETRY_AFTER)

    def _note_refusals(self) -> None:
        """Remember the tokens whose accounts the site has signed out, and close those."""
        for name, account in list(self._token_accounts.items()):
            if account.slot.state is WorkerState.LOGGED_OUT and not self._in_use(account.slot):
                self._refused.note(name, account.slot.reason)
                self._refusals.take(account.peer)
                self._close(name)

    def _close(self, name: str) -> None:
        self._supervisor.remove(self._token_accounts.pop(name).slot)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self._settings.idle / LOOKS)
            self._note_refusals()
            for name, account in list(self._token_accounts.items()):
                if self._in_use(account.slot):
                    account.used = time.monotonic()
                elif time.monotonic() - account.used >= self._settings.idle:
                    self._close(name)


def name_of(token: str) -> str:
    """Return the name of a token's account, from which nobody learns the token."""
    return f"token-{sha256(token.encode()).hexdigest()[:16]}"
