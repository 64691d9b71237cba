"""An account of the pool: its state, and the contract of the worker behind it (`PoolWorker`)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Protocol

from bridge.chat import model_names
from bridge.chat.operator_visit import Visit
from bridge.chat.types import Account, AccountError, ChatEvent, ChatRequest, Model
from bridge.errors import BridgeError, RequestError
from bridge.pool.error_policy import rule_of
from bridge.pool.quota import used
from bridge.settings import PoolSettings
from bridge.storage.conversation_file import ConversationPosition
from bridge.telemetry import Timeline, WorkerState

NEEDS_PERSON = (WorkerState.LOGGED_OUT, WorkerState.CHALLENGED)
"""States that usually last until a person acts."""
AWAY = (*NEEDS_PERSON, WorkerState.MUTED)
"""States that usually last for hours."""
JITTER = 0.3
"""The largest random addition to the minimum interval, as a share of it."""
NOBODY = "No account is logged in; run `bridge login NAME`."


class PoolWorker(Protocol):
    """The interface of workers for the pool; `Worker` implements it.

    The pool enters `opened`; inside it, it calls one at a time of `chat`, `visited`, `renew`, `prepare` and `delete`,
    and concurrently `lost`, `check`, `give_up`, `interrupt`, `bundle` and `thumbnail`. Errors are `BridgeError`s; the
    `sent` of those of `chat` tells whether the prompt may have reached the site.
    """

    name: str
    site: str
    url: str

    @property
    def last_seen(self) -> datetime | None:
        """Return when the account's page last gave a sign of life."""
        ...

    @property
    def page_chats(self) -> int:
        """Return the number of chats of the open page."""
        ...

    @property
    def models(self) -> Sequence[Model]:
        """Return the base models that it serves."""
        ...

    @property
    def min_interval(self) -> float:
        """Return the least seconds between two sends."""
        ...

    def opened(self, visit: Visit | None = None) -> AbstractAsyncContextManager[None]:
        """Open the account, and close it at exit; raise a `BridgeError` if it cannot be opened.

        With a `visit`, that person gets the page first, whatever it shows.
        """
        ...

    async def visited(self, visit: Visit) -> None:
        """Hand the open page to a person; wait until it can take chats again, or raise why it cannot."""
        ...

    async def lost(self) -> NoReturn:
        """Raise as soon as the open account can no longer be used."""
        ...

    async def check(self) -> None:
        """Ask the open page for a sign of life; call `give_up` without one."""
        ...

    def give_up(self, error: BridgeError) -> None:
        """Make `lost` raise `error`."""
        ...

    def interrupt(self, error: BridgeError) -> None:
        """End the running chat with `error`; the state of its account does not change."""
        ...

    async def login_renewed(self) -> None:
        """Wait until a newer login is stored than when the account was opened, or this last returned."""
        ...

    @property
    def is_renewal_due(self) -> bool:
        """Tell whether `renew` is due."""
        ...

    async def renew(self) -> None:
        """Replace the page by a new one."""
        ...

    @property
    def is_reopening_due(self) -> bool:
        """Tell whether the account should be closed and opened again, because another browser has taken over."""
        ...

    @property
    def wants_new_chat(self) -> bool:
        """Tell whether `prepare` would make the next chat faster."""
        ...

    async def prepare(self) -> None:
        """Open an empty chat in the page."""
        ...

    async def delete(self, conversation: str) -> None:
        """Delete a conversation on the site."""
        ...

    async def bundle(self) -> Path:
        """Write a diagnostic bundle of the open page, and return its folder; raise `BrowserError` without one."""
        ...

    async def thumbnail(self) -> bytes | None:
        """Return a thumbnail of the open page, or None."""
        ...

    def chat(
        self, request: ChatRequest, timeline: Timeline, place: ConversationPosition | None
    ) -> AsyncGenerator[ChatEvent]:
        """Yield the answer's events, `Finish` last, in the conversation at `place` if there is one.

        Mark "sent", "first_byte" and "first_token" on `timeline`. Closing the generator stops the site's generation.
        """
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """An account and its state; it sends nothing before the monotonic time `free_at`."""

    worker: PoolWorker
    settings: PoolSettings
    state: WorkerState = WorkerState.STARTING
    reason: str = ""
    until: datetime | None = None
    free_at: float = 0.0
    fails: int = 0
    caution: int = 0
    """How many more sends are made at a slower pace, after a rest."""
    is_token_account: bool = False
    """Whether it belongs to a client's own login, so that only that client's chats may use it."""
    sends: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Unix times of the sends."""
    now: Callable[[], float] = time.time
    """Returns the Unix time, for sends and for the end of parking."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to open the account again before its time."""
    looks: int = 0
    """How many times the account's state was determined; see `Supervisor.known`."""
    is_open: bool = False
    """Whether its page is open, opening or closing, so that it takes memory of the browser."""
    is_wanted: bool = False
    """Whether it is opened regardless of the limit on open accounts."""
    is_leaving: bool = False
    """Whether it gets no more chats, because its page closes after the running one."""
    is_paused: bool = False
    visit: Visit | None = None
    """The current or last visit of a person to its page."""
    last_error: AccountError | None = None

    @property
    def is_parked(self) -> bool:
        """Tell whether the account is neither open nor being opened; this includes sleeping."""
        return self.state not in (WorkerState.STARTING, WorkerState.READY)

    @property
    def can_wake(self) -> bool:
        """Tell whether the account sleeps, and could take chats once opened."""
        return self.state is WorkerState.ASLEEP and not self.is_paused and not self.is_held

    @property
    def is_held(self) -> bool:
        """Tell whether a person uses the account's page, or is about to."""
        return self.visit is not None and not self.visit.ended.is_set()

    @property
    def visitor(self) -> Visit | None:
        """Return the visit of a person who may use the page now."""
        return self.visit if self.visit is not None and self.is_held and self.visit.granted.is_set() else None

    @property
    def takes_chats(self) -> bool:
        """Tell whether the account takes a chat once it has none and its pause is over."""
        is_kept = self.is_paused or self.is_held or self.is_leaving
        return self.state is WorkerState.READY and not is_kept

    def account(self, *, is_busy: bool) -> Account:
        """Return the account's state now."""
        worker = self.worker
        hour, day = used(self.sends, self.now())
        return Account(
            worker.name,
            self.state,
            self.reason,
            self.until,
            is_busy,
            site=worker.site,
            url=worker.url,
            is_paused=self.is_paused,
            is_held=self.is_held,
            sends_hour=hour,
            sends_day=day,
            hour_limit=self.settings.turns_per_hour,
            day_limit=self.settings.turns_per_day,
            last_error=self.last_error,
            last_seen=worker.last_seen,
            page_chats=worker.page_chats,
            is_token_account=self.is_token_account,
        )

    def note(self, error: BridgeError) -> None:
        """Keep `error` as the account's last one, if it concerns the account."""
        if rule_of(error).noted:
            self.last_error = AccountError(error.code, error.message, datetime.fromtimestamp(self.now(), UTC))

    def succeeded(self) -> None:
        """Record an answered chat, which resets failures and raises the pace again."""
        self.fails = 0
        self.caution = max(self.caution - 1, 0)

    def serves(self, model: Model) -> bool:
        """Tell whether the account's site has that model."""
        return serves(self.worker.models, model)

    def pause(self, since: float) -> None:
        """Pause the account for its interval, or a little more, from the monotonic time `since`."""
        self.free_at = since + self.least_pause * random.uniform(1, 1 + JITTER)  # noqa: S311 - a pace

    @property
    def least_pause(self) -> float:
        """Return the current least seconds between two sends."""
        least = self.settings.min_interval
        least = self.worker.min_interval if least is None else least
        return least * (1 + self.caution)

    @property
    def back_in(self) -> float | None:
        """Return the seconds until a parked account is opened again, or None if it waits for a person."""
        if self.until is None or self.is_paused:
            return None
        return max(self.until.timestamp() - self.now(), 0.0)

    async def due(self) -> None:
        """Wait until a parked account may be opened: at its time, or when it is woken."""
        while not self.woken.is_set():
            until = self.until
            seconds = until.timestamp() - self.now() if until else None
            try:
                async with asyncio.timeout(seconds):
                    await self.woken.wait()
            except TimeoutError:
                if self.until == until:
                    return
        self.woken.clear()

    def is_back_within(self, seconds: float) -> bool:
        """Tell whether the account may become usable within `seconds`."""
        if self.visit is not None and not self.visit.over.is_set():
            return False
        if self.state is WorkerState.ASLEEP:
            return not self.is_paused
        back_in = self.back_in if self.is_parked or self.is_paused else 0.0
        return back_in is not None and back_in <= seconds


def serves(bases: Sequence[Model], model: Model) -> bool:
    """Tell whether a site with these base models has that model."""
    try:
        found = model_names.resolve(model.id, bases)
    except RequestError:
        return False
    return found.thinking or found.can_think or not model.thinking


def readiness(slots: Sequence[Slot]) -> str:
    """Return the states of accounts in words."""
    return "; ".join(str(slot.account(is_busy=False)) for slot in slots) or NOBODY.rstrip(".")
