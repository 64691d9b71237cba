"""Temporary accounts: each is signed in by a token from a client, and closed after some time without use.

Only a chat with the same token may use such an account. Its name, in the log or on disk, holds a digest of the token
and never the token. A token that the site refused is remembered by that digest, so that invented ones do not open
pages again and again.
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
"""Checks of the accounts within the idle time."""
CHECKS = 2
"""Most tokens that are checked at a time."""
CHECK_WAIT = 60.0
"""Seconds that a check may wait for others."""
TRIALS, TRIALS_OF_ALL = 2, 4
"""Most tokens of one client, and of all, that are tried at a time; a single request may have more."""
REFUSALS = (10, 30.0)
"""How many refused tokens a client may have in a row, and the seconds until one more is tried."""
MOST_REMEMBERED = 4096
"""Most refused tokens that are remembered."""
RETRY_AFTER = 5.0
"""`Retry-After` in seconds until an account may become free."""


class TokenSite(Protocol):
    """The interface of a site with sign-in by tokens; `TokenLogins` implements it."""

    @property
    def models(self) -> Sequence[Model]:
        """Return the base models that the site serves."""
        ...

    def worker(self, name: str, token: str) -> PoolWorker:
        """Return a worker that the token signs in."""
        ...

    async def is_live(self, token: str) -> bool:
        """Tell whether the token still signs in, without sending a chat."""
        ...


@dataclass(slots=True)
class TokenAccount:
    """A temporary account; `used` is the monotonic time of its last use, `peer` the address that sent its token."""

    slot: Slot
    peer: str
    used: float = 0.0


class RefusedTokens:
    """The names of tokens that the site refused, each kept for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._refused: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def note(self, name: str, reason: str) -> None:
        """Remember a refused token."""
        self._refused[name] = (time.monotonic() + self._seconds, reason)
        self._refused.move_to_end(name)
        if len(self._refused) > MOST_REMEMBERED:
            self._refused.popitem(last=False)

    def reason(self, name: str) -> str | None:
        """Return why a token was refused, or None if it was not, or too long ago."""
        until, reason = self._refused.get(name, (0.0, ""))
        return reason if time.monotonic() < until else None


class TokenAccounts:
    """The temporary accounts among the accounts of the pool."""

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
        """Tell whether there is a site with sign-in by tokens."""
        return self._site is not None

    def start(self) -> None:
        """Start closing unused accounts."""
        self._tasks.keep(self._close_unused)

    async def close(self) -> None:
        """Stop; the accounts are closed with all others."""
        await self._tasks.close()

    def known(self, tokens: Collection[str]) -> list[Slot]:
        """Return the existing accounts of these tokens."""
        names = map(name_of, tokens)
        return [self._token_accounts[name].slot for name in names if name in self._token_accounts]

    def refused(self, tokens: Collection[str]) -> list[str]:
        """Return the reasons of the tokens that the site has refused recently."""
        reasons = map(self._refused.reason, dict.fromkeys(map(name_of, tokens)))
        return [reason for reason in reasons if reason is not None]

    def admit(self, tokens: Collection[str], peer: str = "") -> list[Slot]:
        """Return the accounts of these tokens, opening missing ones; raise `PoolFull` if there is no room for them.

        Tokens that the site has refused recently are left out; if all were refused, raise `TokenRefused`.
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
        """Tell whether the token still signs in, by its open account or else by a check on the site."""
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
        self._refused.note(name_of(token), "The site does not accept the userToken; sign in there again.")
        return False

    def _asked(self) -> TokenSite:
        if self._site is None:
            raise RequestError("Logins of clients are not accepted here; the setting tokens.enabled allows them.")
        return self._site

    def _make_room(self, wanted: Collection[str]) -> None:
        """Close the longest unused accounts, as many as the `wanted` ones need."""
        others = [name for name in self._token_accounts if name not in wanted]
        excess = len(others) + len(wanted) - self._settings.max_accounts
        idle = [name for name in others if not self._in_use(self._token_accounts[name].slot)]
        if excess > len(idle):
            raise PoolFull("All temporary accounts are in use.", retry_after=RETRY_AFTER)
        for name in sorted(idle, key=lambda name: self._token_accounts[name].used)[: max(excess, 0)]:
            self._close(name)

    def _check_trials(self, new: int, peer: str) -> None:
        """Raise an error unless `new` more tokens of the client may be tried now."""
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
        """Remember the tokens of accounts that the site has signed out, and close those accounts."""
        for name, account in list(self._token_accounts.items()):
            if account.slot.state is WorkerState.LOGGED_OUT and not self._in_use(account.slot):
                self._refused.note(name, account.slot.reason)
                self._refusals.take(account.peer)
                self._close(name)

    def _close(self, name: str) -> None:
        self._supervisor.remove(self._token_accounts.pop(name).slot)

    async def _close_unused(self) -> None:
        while True:
            await asyncio.sleep(self._settings.idle / LOOKS)
            self._note_refusals()
            for name, account in list(self._token_accounts.items()):
                if self._in_use(account.slot):
                    account.used = time.monotonic()
                elif time.monotonic() - account.used >= self._settings.idle:
                    self._close(name)


def name_of(token: str) -> str:
    """Return the name of a token's account, which does not reveal the token."""
    return f"token-{sha256(token.encode()).hexdigest()[:16]}"
