"""Keeps the accounts open: a task for each, which opens it again after whatever it was lost to.

An account that the site refused, muted or signed out is opened again when its time is up, when somebody has logged
it in anew, or when its operator asks; nothing is sent for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from loguru import logger

from bridge import models
from bridge.accounts import NEEDS_PERSON, NOBODY, PoolWorker, Slot
from bridge.budget import Budget
from bridge.chat import Model
from bridge.errors import BridgeError, BrowserError, NoAccount, RateLimited, UnknownAccount, UnknownModel
from bridge.parked import Parked, ParkedAccounts
from bridge.policy import Transition, after_lost, transition
from bridge.sends import SendLog
from bridge.settings import PoolSettings
from bridge.tasks import Tasks, is_cancelled, log_unexpected, surviving
from bridge.telemetry import Telemetry, WorkerChanged, WorkerState

SOON_OVER = (WorkerState.STARTING, WorkerState.READY, WorkerState.BROKEN)
"""States that another failure replaces, and that a restart of the bridge ends."""
WARNINGS = (WorkerState.RESTING, WorkerState.MUTED)
"""States after which an account starts slowly."""
CAUTIOUS_SENDS = 3
CHECK_LIMIT = 120.0
"""Seconds after which a check tells how the account stands even if it is still being opened."""
USED_UP = "The account has used the budget that the settings give it."


class Accounts:
    """Keeps the accounts open while it is entered; calls `on_change` whenever one changes its state."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        telemetry: Telemetry,
        on_change: Callable[[], None],
        settings: PoolSettings,
        parked: ParkedAccounts,
        sends: SendLog,
        guest_models: Sequence[Model] = (),
    ) -> None:
        self.budget = Budget(settings)
        self._telemetry = telemetry
        self._on_change = on_change
        self._parked = parked
        self._sends = sends
        self._settings = settings
        self._guest_models = tuple(guest_models)
        self._keepers: dict[Slot, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._tasks = Tasks()
        self.slots = [self._slot(worker, is_guest=False) for worker in workers]

    async def __aenter__(self) -> Accounts:
        await self._sends.open()
        for slot in self.slots:
            self._keepers[slot] = self._tasks.start(self._keep(slot))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self._parked.close()
        await self._sends.close()

    @property
    def own(self) -> list[Slot]:
        """Return the accounts that no client has brought along."""
        return [slot for slot in self.slots if not slot.is_guest]

    def add(self, worker: PoolWorker) -> Slot:
        """Open one more account, for guests only."""
        slot = self._slot(worker, is_guest=True)
        self.slots.append(slot)
        self._keepers[slot] = self._tasks.start(self._keep(slot))
        return slot

    def _slot(self, worker: PoolWorker, *, is_guest: bool) -> Slot:
        interval, sends = self._settings.min_interval, self._sends.of(worker.name)
        return Slot(worker, is_guest=is_guest, min_interval=interval, sends=sends)

    def remove(self, slot: Slot) -> None:
        """Close an account for good."""
        self.slots.remove(slot)
        self._keepers.pop(slot).cancel()
        self._sends.forget(slot.worker.name)
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
        if (what := transition(error, slot.fails, self._settings.rest)) is None:
            return
        if error.retry_after is None and what.state is WorkerState.RESTING and what.until is not None:
            error.retry_after = (what.until - datetime.now(UTC)).total_seconds()
        self._change(slot, what, error.message)
        slot.worker.give_up(error)

    def sent(self, slot: Slot, since: float) -> None:
        """Let the account pause after a send when the clock showed `since`, or rest if its budget is used."""
        slot.pause(since)
        self._sends.add(slot.worker.name, time.time())
        if (what := self._used_up(slot)) is not None:
            self.take_out(slot, RateLimited(USED_UP, until=what.until))

    async def check(self, name: str) -> Slot:
        """Open a parked account again at once, and return it as soon as it is known how it stands."""
        slot = next((slot for slot in self.slots if slot.worker.name == name), None)
        if slot is None:
            raise UnknownAccount(f"There is no account {name!r} here.")
        looks = slot.looks
        if slot.is_parked:
            slot.woken.set()
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                while slot.looks == looks and slot.state is not WorkerState.READY:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            logger.warning("It took longer than {:g} seconds to open {}", CHECK_LIMIT, name)
        return slot

    async def _keep(self, slot: Slot) -> None:
        """Hold one account open, and open it again after whatever it was lost to; survives everything."""
        with surviving("while the parked accounts were read"):
            await self._resume(slot)
        while True:
            try:
                await self._until_over(slot)
                self._change(slot, Transition(WorkerState.STARTING), slot.reason)
                async with slot.worker.opened():
                    self._change(slot, Transition(WorkerState.READY))
                    await slot.worker.lost()
            except BridgeError as error:
                self._fell(slot, error)
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                log_unexpected(error, f"while {slot.worker.name} was kept open")
                self._fell(slot, BrowserError(f"The account could not be kept open: {type(error).__name__}."))

    async def _resume(self, slot: Slot) -> None:
        """Leave the account alone if it was parked before the bridge was started anew."""
        if (entry := await self._parked.entry(slot.worker.name)) is not None:
            self._change(slot, Transition(entry.state, entry.until), entry.reason)

    def _fell(self, slot: Slot, error: BridgeError) -> None:
        if slot.state in SOON_OVER:  # else the chat's own error has taken it out already
            self._change(slot, after_lost(error, slot.fails, self._settings.rest), error.message)
        slot.fails += slot.state is WorkerState.BROKEN

    async def _until_over(self, slot: Slot) -> None:
        """Return when the account may be opened: now, at its time, after a login, or when its operator asks."""
        if slot.is_parked:
            await self._woken(slot)
        while (what := self._used_up(slot)) is not None:
            self._change(slot, what, USED_UP)
            await self._woken(slot)

    async def _woken(self, slot: Slot) -> None:
        watch = self._tasks.keep(lambda: self._watch_login(slot))
        try:
            while not slot.woken.is_set():
                until = slot.until
                seconds = (until - datetime.now(UTC)).total_seconds() if until else None
                try:
                    async with asyncio.timeout(seconds):
                        await slot.woken.wait()
                except TimeoutError:
                    if slot.until == until:
                        return
        finally:
            watch.cancel()
            slot.woken.clear()

    async def _watch_login(self, slot: Slot) -> None:
        await slot.worker.renewed()
        slot.woken.set()

    def _used_up(self, slot: Slot) -> Transition | None:
        until = self.budget.full_until(slot.sends)
        return None if until is None else Transition(WorkerState.RESTING, until)

    def _change(self, slot: Slot, what: Transition, reason: str = "") -> None:
        """Let the account have another state; whoever hears of it cannot undo that."""
        slot.looks += what.state is not WorkerState.STARTING
        if (slot.state, slot.until, slot.reason) != (what.state, what.until, reason):
            slot.state, slot.reason, slot.until = what.state, reason, what.until
            if what.state in WARNINGS:
                slot.caution = CAUTIOUS_SENDS
            self._remember(slot)
            self._telemetry.emit(WorkerChanged(slot.worker.name, what.state, reason, what.until))
            with surviving("while chats were given to accounts"):
                self._on_change()
        self._changed.set()

    def _remember(self, slot: Slot) -> None:
        """Keep over a restart that the account is to be left alone, or that it is not any more."""
        if slot.state is WorkerState.STARTING:
            return
        is_parked = slot.until is not None and slot.state not in SOON_OVER
        entry = Parked(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
        self._parked.put(slot.worker.name, entry)
