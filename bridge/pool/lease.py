"""The lease of a chat: which accounts fit it, which one it has, and which ones it has tried.

A lease is waiting (no `slot`, no `error`), granted (`slot`) or refused (`error`). `give_back` makes a granted one wait
again; it stays in the queue until its chat has left. Every change sets `changed`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.chat.caller import ANYBODY, Caller
from bridge.errors import BridgeError, NoAccount, PoolTimeout, TokenRefused
from bridge.pool.account import Slot, readiness
from bridge.pool.error_policy import AnotherTry, rule_of
from bridge.storage.conversation_file import ConversationPosition
from bridge.telemetry import WorkerState


@dataclass(slots=True, eq=False)
class Lease:
    """A chat in the pool, or another use of an account: it waits while `slot` is None, else it has that account.

    `home` is the account with the chat's conversation; until the monotonic time `patient_until` it waits only for that.
    """

    fitting: Sequence[Slot]
    realm: Sequence[Slot]
    """All accounts that the client may use; errors name no others."""
    chat: str = ""
    """The id of the chat, if it is one."""
    caller: Caller = ANYBODY
    """The caller of the chat."""
    is_claim: bool = False
    """Whether it is not a chat, but a claim on its only fitting account, in any state."""
    is_named: bool = False
    """Whether the client names the conversation, so that it must continue there."""
    home: Slot | None = None
    place: ConversationPosition | None = None
    patient_until: float = 0.0
    slot: Slot | None = None
    since: float = 0.0
    """The monotonic time at which it got its account."""
    limit: float = math.inf
    """How many seconds it may wait; the queue applies its own limit if that is shorter."""
    deadline: float = 0.0
    """The monotonic time until which it waits; time with an account does not count."""
    place_in_queue: int = 0
    """Its place in the queue on arrival; 0: an account was free."""
    has_begun: bool = False
    """Whether the client has a part of the answer, so that no other account may start over."""
    is_answered: bool = False
    refused: Sequence[str] = ()
    """Why the site has refused other logins of the client before."""
    error: BridgeError | None = None
    failure: BridgeError | None = None
    """Why its last account could not take it, which is more useful than that no account is left."""
    tries: list[Slot] = field(default_factory=list)
    """The accounts that had the chat, repeated for each time."""
    is_anew: bool = False
    """Whether the site did not know the conversation, so that the whole history goes into a new one."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_waiting(self) -> bool:
        """Tell whether the chat has neither an account nor a reason to stop waiting for one."""
        return self.slot is None and self.error is None

    @property
    def place_here(self) -> ConversationPosition | None:
        """Return the position at which the chat continues, if it has the account with its conversation."""
        return self.place if self.slot is self.home else None

    def choose(self, free: Sequence[Slot], now: float) -> Slot | None:
        """Return the account that the chat takes now, out of `free`, the best first; None if it takes none."""
        ready = [slot for slot in free if slot.free_at <= now and slot in self.fitting]
        if self.home in ready:
            return self.home
        return ready[0] if ready and not self.is_patient(now) else None

    def is_patient(self, now: float) -> bool:
        """Tell whether the chat still waits only for the account with its conversation."""
        return self.home is not None and now < self.patient_until and self.home.is_back_within(self.patient_until - now)

    def why_hopeless(self) -> BridgeError | None:
        """Return the error if certainly no account can take the chat before its deadline, else None."""
        back = [slot for slot in self.fitting if slot.is_back_within(self.limit)]
        if any(slot.free_at <= self.deadline for slot in back):
            return None
        if back:
            paced = min(slot.free_at for slot in back) - time.monotonic()
            message = f"No account may send again within {self.limit:g} seconds: the pace allows it in {paced:.0f}."
            return PoolTimeout(message, retry_after=paced)
        if self.realm and all(slot.is_token_account and slot.state is WorkerState.LOGGED_OUT for slot in self.realm):
            return TokenRefused(" ".join([*self.refused, *(slot.reason for slot in self.realm)]))
        untils = [slot.until for slot in self.fitting if slot.until is not None]
        until = min(untils, default=None)
        wait = until.timestamp() - self.fitting[0].now() if until else None
        return NoAccount(f"No account can answer now: {readiness(self.realm)}.", retry_after=wait, until=until)

    def grant(self, slot: Slot) -> None:
        """Give the chat an account."""
        self.slot = slot
        self.since = time.monotonic()
        self.tries.append(slot)
        self.changed.set()

    def refuse(self, error: BridgeError) -> None:
        """Refuse the chat with `error`."""
        self.error = error
        self.changed.set()

    def give_back(self, failure: BridgeError) -> bool:
        """Let the chat, of which nothing was generated, wait for an account again; tell whether one may take it.

        The error policy of the `failure` decides which accounts may.
        """
        again = rule_of(failure).again
        self.failure = None if again is AnotherTry.ANEW else failure  # the client does not know that conversation
        match again:
            case AnotherTry.ANEW if self.is_anew or self.is_named:
                return False
            case AnotherTry.ANEW:
                self.is_anew = True
                self.home = self.place = None
            case AnotherTry.ELSEWHERE:
                self._leave()
            case AnotherTry.RELOADED if self.tries.count(self._had()) > 1:
                self._leave()
            case AnotherTry.NOWHERE:
                return False
        self.slot = None
        self.deadline += time.monotonic() - self.since
        self.changed.clear()
        return bool(self.fitting)

    def _had(self) -> Slot:
        assert self.slot is not None  # noqa: S101 - only a chat with an account can fail on it
        return self.slot

    def _leave(self) -> None:
        """Exclude the chat's account; if that has its conversation, another account starts a new one."""
        self.fitting = [slot for slot in self.fitting if slot is not self.slot]
        if self.home is self.slot:
            self.home = self.place = None
