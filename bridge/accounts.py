"""The accounts: each is kept open by a task of its own, which opens it again after whatever it was lost to.

An account that the site refused, muted or signed out is looked at again when its time is up, without sending, or
when somebody has logged it in anew.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from bridge import models
from bridge.chat import ChatEvent, ChatRequest, Model
from bridge.conversations import Place
from bridge.errors import BridgeError, NoAccount, UnknownModel
from bridge.fate import REST, Fate, fate
from bridge.parked import Parked, ParkedAccounts
from bridge.tasks import Tasks
from bridge.telemetry import Telemetry, Timeline, WorkerChanged, WorkerState

TRANSIENT = (WorkerState.STARTING, WorkerState.READY, WorkerState.BROKEN)
"""States that end soon, one way or the other."""
NEEDS_PERSON = (WorkerState.LOGGED_OUT, WorkerState.CHALLENGED)
"""States that seldom end before a person does something."""
AWAY = (*NEEDS_PERSON, WorkerState.MUTED)
"""States that mostly last for hours."""
WARNINGS = (WorkerState.RESTING, WorkerState.MUTED)
"""States after which an account starts slowly."""
CAUTIOUS_SENDS = 3
JITTER = 0.3
"""The pace varies by up to this share of the minimum interval."""
NOBODY = "No account is logged in; run `bridge login NAME`."


class PoolWorker(Protocol):
    """What the pool needs of a worker; `Worker` is the real one."""

    name: str

    @property
    def models(self) -> Sequence[Model]:
        """Return the base names of the models it serves."""
        ...

    @property
    def min_interval(self) -> float:
        """Return the seconds between two sends."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Open the account, and close it on leaving; raise what stands in the way."""
        ...

    async def lost(self) -> NoReturn:
        """Raise as soon as the open account cannot be used any more."""
        ...

    def give_up(self, error: BridgeError) -> None:
        """Make `lost` raise `error`."""
        ...

    async def renewed(self) -> None:
        """Return when somebody has logged the account in again."""
        ...

    @property
    def is_worn(self) -> bool:
        """Tell whether `renew` is due."""
        ...

    async def renew(self) -> None:
        """Begin with a new page."""
        ...

    @property
    def wants_new_chat(self) -> bool:
        """Tell whether `prepare` would make the next chat faster."""
        ...

    async def prepare(self) -> None:
        """Bring up an empty chat."""
        ...

    async def delete(self, conversation: str) -> None:
        """Delete a conversation on the site."""
        ...

    def chat(self, request: ChatRequest, timeline: Timeline, place: Place | None) -> AsyncGenerator[ChatEvent]:
        """Answer one chat, in the conversation at `place` if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """How an account stands now; `until` is when it is looked at again, if that is known."""

    name: str
    state: WorkerState
    reason: str
    until: datetime | None
    is_busy: bool

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M:%S %Z}" if self.until and self.state not in TRANSIENT else ""
        return f"{self.name} is {self.state}{until}{f' ({self.reason})' if self.reason else ''}"


@dataclass(slots=True, eq=False)
class Slot:
    """An account and what is known of it; before the clock shows `free_at` it does not send."""

    worker: PoolWorker
    state: WorkerState = WorkerState.STARTING
    reason: str = ""
    until: datetime | None = None
    free_at: float = 0.0
    fails: int = 0
    caution: int = 0
    """How many sends more are made at a slower pace, after a rest."""
    is_guest: bool = False
    """Whether a client's own login opened it, so that only that client's chats may use it."""
    sends: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))
    """Unix times of the sends."""

    def account(self, *, is_busy: bool) -> Account:
        """Return how the account stands now."""
        return Account(self.worker.name, self.state, self.reason, self.until, is_busy)

    def serves(self, model: Model) -> bool:
        """Tell whether the account's site has that model."""
        try:
            models.resolve(model.id, self.worker.models)
        except UnknownModel:
            return False
        return True

    def pause(self, least: float | None) -> float:
        """Return how many seconds to leave the account alone after a send, a little more than the `least`."""
        least = self.worker.min_interval if least is None else least
        return least * (1 + self.caution) * random.uniform(1, 1 + JITTER)  # noqa: S311 - a pace

    def is_back_within(self, seconds: float) -> bool:
        """Tell whether it makes sense to wait that long for the account."""
        if self.state in (WorkerState.STARTING, WorkerState.READY):
            return True
        return self.until is not None and (self.until - datetime.now(UTC)).total_seconds() <= seconds


class Accounts:
    """Keeps the accounts open while it is entered; calls `on_change` whenever one changes its state."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        telemetry: Telemetry,
        on_change: Callable[[], None],
        parked: ParkedAccounts | None = None,
        rest: float = REST,
        guest_models: Sequence[Model] = (),
    ) -> None:
        self.slots = [Slot(worker) for worker in workers]
        self._telemetry = telemetry
        self._on_change = on_change
        self._parked = parked
        self._rest = rest
        self._guest_models = tuple(guest_models)
        self._keepers: dict[Slot, asyncio.Task[None]] = {}
        self._tasks = Tasks()

    async def __aenter__(self) -> Accounts:
        for slot in self.slots:
            self._keepers[slot] = self._tasks.start(self._keep(slot))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        if self._parked is not None:
            await self._parked.close()

    @property
    def own(self) -> list[Slot]:
        """Return the accounts that no client has brought along."""
        return [slot for slot in self.slots if not slot.is_guest]

    def add(self, worker: PoolWorker) -> Slot:
        """Open one more account, for guests only."""
        slot = Slot(worker, is_guest=True)
        self.slots.append(slot)
        self._keepers[slot] = self._tasks.start(self._keep(slot))
        return slot

    def remove(self, slot: Slot) -> None:
        """Close an account for good."""
        self.slots.remove(slot)
        self._keepers.pop(slot).cancel()
        self._telemetry.emit(WorkerChanged(slot.worker.name, WorkerState.CLOSED))

    def models(self) -> Sequence[Model]:
        """Return the models of all sites with an account here, unless each of those needs a person first.

        One that rests, is muted or opens anew will serve again by itself: a list that comes and goes helps nobody.
        """
        return [model for bases in self._sites(without=NEEDS_PERSON) for model in models.listed(bases)]

    def model(self, name: str) -> Model:
        """Return what `name` means on the first site that knows it; raises `UnknownModel`."""
        unknown: BridgeError = NoAccount(NOBODY)
        for bases in self._sites():
            try:
                return models.resolve(name, bases)
            except UnknownModel as error:
                unknown = error
        raise unknown

    def _sites(self, without: Sequence[WorkerState] = ()) -> list[tuple[Model, ...]]:
        """Return the base models of each site, once; accounts in the states `without` do not count."""
        served = [tuple(slot.worker.models) for slot in self.slots if slot.state not in without]
        return [bases for bases in dict.fromkeys([*served, self._guest_models]) if bases]

    def take_out(self, slot: Slot, error: BridgeError) -> None:
        """Take the account out of service at once if `error` means that; its keeper does the rest."""
        if (what := fate(error, slot.fails, self._rest)) is not None:
            self._change(slot, what, error.message)
            slot.worker.give_up(error)

    async def _keep(self, slot: Slot) -> None:
        """Hold one account open, and open it again after whatever it was lost to."""
        if self._parked and (entry := await self._parked.entry(slot.worker.name)):
            what = Fate(entry.state, entry.until)
            self._change(slot, what, entry.reason)
            await _over(slot)
        while True:
            self._change(slot, Fate(WorkerState.STARTING, None), slot.reason)
            try:
                async with slot.worker.opened():
                    self._change(slot, Fate(WorkerState.READY, None))
                    await slot.worker.lost()
            except BridgeError as error:
                if slot.state in TRANSIENT:  # else the chat's own error has taken it out already
                    what = fate(error, slot.fails, self._rest) or Fate(WorkerState.BROKEN, datetime.now(UTC))
                    self._change(slot, what, error.message)
                slot.fails += slot.state is WorkerState.BROKEN
                await _over(slot)

    def _change(self, slot: Slot, what: Fate, reason: str = "") -> None:
        if (slot.state, slot.reason) == (what.state, reason):
            return
        slot.state, slot.reason, slot.until = what.state, reason, what.until
        if what.state in WARNINGS:
            slot.caution = CAUTIOUS_SENDS
        self._remember(slot)
        self._telemetry.emit(WorkerChanged(slot.worker.name, what.state, reason, what.until))
        self._on_change()

    def _remember(self, slot: Slot) -> None:
        """Keep over a restart that the account is to be left alone, or that it is not any more."""
        if self._parked is None or slot.state is WorkerState.STARTING:
            return
        is_parked = slot.until is not None and slot.state not in TRANSIENT
        entry = Parked(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
        self._parked.put(slot.worker.name, entry)


def standing(slots: Sequence[Slot]) -> str:
    """Return how these accounts stand, in words."""
    return "; ".join(str(slot.account(is_busy=False)) for slot in slots) or NOBODY.rstrip(".")


async def _over(slot: Slot) -> None:
    """Return when the state is over: at its time, or when somebody has logged in again."""
    while True:
        until = slot.until
        seconds = (until - datetime.now(UTC)).total_seconds() if until else None
        try:
            async with asyncio.timeout(seconds):
                await slot.worker.renewed()
        except TimeoutError:
            if slot.until != until:
                continue
        return
