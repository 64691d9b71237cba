"""Keeps the accounts open: one task for each, which opens it again after whatever it was lost to.

The task repeats: wait until the account may be opened, open it (STARTING), let it be used (READY) until it is lost, set
the state that the error policy names. At that state's time, or when its operator, a new login or a visit wakes it, the
account is opened again; nothing is sent for that. Two sides report the same error: the chat that met it (`take_out`, at
once, before another chat gets the account) and the page's loss. The first sets the state (`_fell` keeps a parked one).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from loguru import logger

from bridge.errors import BridgeError, BrowserError, RateLimited, UnknownAccount
from bridge.pool.account import PoolWorker, RemovedAccounts, Slot
from bridge.pool.error_policy import Transition, after_lost, for_client, transition
from bridge.pool.operator_visits import SOON_OVER, Visits
from bridge.pool.quota import Quota
from bridge.settings import PoolSettings
from bridge.storage.account_states import AccountState, StoredAccountStates
from bridge.storage.send_times import SendLog
from bridge.tasks import Tasks, errors_logged, first, is_cancelled, log_unexpected
from bridge.telemetry import AccountRenamed, Telemetry, WorkerChanged, WorkerState

WARNINGS = (WorkerState.RESTING, WorkerState.MUTED)
"""States after which an account sends at a slower pace for `CAUTIOUS_SENDS` sends."""
CAUTIOUS_SENDS = 3
CHECK_LIMIT = 120.0
"""Seconds after which a check returns the account's state even if it is still being opened."""
CLOSE_LIMIT = 30.0
"""Seconds that an account gets to be closed."""
REOPENED = "It is opened again because somebody asked for that."
USED_UP = "The account has used the budget that the settings give it."


class Supervisor:
    """Keeps the accounts open while it is entered; calls `on_change` after every change of a state."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        telemetry: Telemetry,
        on_change: Callable[[], None],
        settings: PoolSettings,
        parked: StoredAccountStates,
        sends: SendLog,
    ) -> None:
        self.quota = Quota(settings)
        self.visits = Visits(telemetry, on_change)
        self._telemetry = telemetry
        self._on_change = on_change
        self._parked = parked
        self._sends = sends
        self._settings = settings
        self._keepers: dict[Slot, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._tasks, self._removed = Tasks(), RemovedAccounts()
        self.slots = [self._slot(worker, is_token_account=False) for worker in workers]

    async def __aenter__(self) -> Supervisor:
        await self._sends.open()
        for slot in self.slots:
            self.start(slot)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self._parked.close()
        await self._sends.close()

    @property
    def own(self) -> list[Slot]:
        """Return the accounts that no client has brought along."""
        return [slot for slot in self.slots if not slot.is_token_account]

    def named(self, name: str, *, own: bool = True) -> Slot:
        """Return the account of that name, or raise `UnknownAccount`; `own` leaves those of clients out."""
        for slot in self.own if own else self.slots:
            if slot.worker.name == name:
                return slot
        raise UnknownAccount(f"There is no account {name!r} here.")

    def add(self, worker: PoolWorker, *, is_token_account: bool = False) -> Slot:
        """Open one more account, of the operator's own or of a client's token."""
        slot = self._slot(worker, is_token_account=is_token_account)
        self.slots.append(slot)
        self.start(slot)
        return slot

    def _slot(self, worker: PoolWorker, *, is_token_account: bool) -> Slot:
        sends = self._sends.of(worker.name)
        return self._removed.back(Slot(worker, self._settings, is_token_account=is_token_account, sends=sends))

    def start(self, slot: Slot) -> None:
        """Hold an account open from now on."""
        self._keepers[slot] = self._tasks.start(self._keep(slot))

    async def stop(self, slot: Slot) -> None:
        """Close an account and keep it closed; `start` opens it again."""
        if slot.state is WorkerState.READY:
            self._change(slot, Transition(WorkerState.STARTING), REOPENED)
        keeper = self._keepers.pop(slot)
        keeper.cancel()
        await asyncio.wait({keeper}, timeout=CLOSE_LIMIT)

    def remove(self, slot: Slot) -> None:
        """Close an account for good."""
        self.slots.remove(slot)
        self._removed.note(slot)
        if slot.visit is not None:
            slot.visit.end()
        if (keeper := self._keepers.pop(slot, None)) is not None:
            keeper.cancel()
        self._sends.forget(slot.worker.name)
        self._change(slot, Transition(WorkerState.CLOSED))

    def rename(self, slot: Slot, worker: PoolWorker) -> None:
        """Let a stopped account go on as `worker`, which has another name, and all that is known of it with it."""
        before, name = slot.worker.name, worker.name
        self._parked.rename(before, name)
        self._sends.rename(before, name)
        self._telemetry.emit(WorkerChanged(before, WorkerState.CLOSED))
        slot.worker, slot.sends = worker, self._sends.of(name)
        self._telemetry.emit(AccountRenamed(before, name))

    def forget(self, name: str) -> None:
        """Drop what is kept over a restart of an account that is removed."""
        self._parked.forget(name)
        self._removed.forget(name)

    def pause(self, name: str, *, is_paused: bool) -> Slot:
        """Let an account take no chats, or again, also after a restart."""
        slot = self.named(name)
        slot.is_paused = is_paused
        self._parked.pause(name, is_paused=is_paused)
        self._on_change()
        return slot

    def take_out(self, slot: Slot, error: BridgeError) -> BridgeError:
        """Set the state that `error` means for the account, if any, before another chat can get it.

        Returns the error as the client is to get it, which says when the account's rest is over.
        """
        slot.note(error)
        what = transition(error, slot.fails, self._settings.rest)
        if what is not None:
            self._take_out(slot, what, error)
        return for_client(error, what)

    def _take_out(self, slot: Slot, what: Transition, error: BridgeError) -> None:
        self._change(slot, what, error.message)
        slot.worker.give_up(error)

    def sent(self, slot: Slot, since: float) -> None:
        """Let the account pause after a send when the clock showed `since`, or rest if its budget is used."""
        slot.pause(since)
        self._sends.add(slot.worker.name, time.time())
        if (what := self._used_up(slot)) is not None:
            self._take_out(slot, what, RateLimited(USED_UP, until=what.until))

    async def check(self, name: str) -> Slot:
        """Find out an account's state now, and return the account as soon as it is known."""
        slot = self.named(name, own=False)
        looks = slot.looks
        if slot.is_parked:
            slot.woken.set()
        elif slot.state is WorkerState.READY:
            with suppress(BridgeError):  # `lost` raises it to the account's task, too
                await slot.worker.check()
                return slot
        return await self.known(slot, looks)

    async def reopen(self, slot: Slot) -> None:
        """Close an account and open it again; return as soon as its state is known."""
        if slot.state is WorkerState.READY:
            self._change(slot, Transition(WorkerState.STARTING), REOPENED)
        slot.woken.set()
        await self.known(slot, slot.looks)

    async def known(self, slot: Slot, looks: int) -> Slot:
        """Wait until the account's state was found out more than `looks` times; `UnknownAccount` if it is removed."""
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                while slot.looks == looks and slot in self.slots:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            logger.warning("It took longer than {:g} seconds to open {}", CHECK_LIMIT, slot.worker.name)
        if slot not in self.slots:
            raise UnknownAccount(f"The account {slot.worker.name} was removed just now.")
        return slot

    async def _keep(self, slot: Slot) -> None:
        """Hold one account open, and open it again after whatever it was lost to; survives everything."""
        with errors_logged("while the parked accounts were read"):
            await self._recall(slot)
        while not is_cancelled():
            try:
                await self._until_over(slot)
                async with self._opened(slot):
                    self._change(slot, Transition(WorkerState.READY))
                    await self._used(slot)
            except BridgeError as error:
                self._fell(slot, error)
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                log_unexpected(error, f"while {slot.worker.name} was kept open")
                self._fell(slot, BrowserError(f"The account could not be kept open: {type(error).__name__}."))

    @asynccontextmanager
    async def _opened(self, slot: Slot) -> AsyncGenerator[None]:
        """Open the account, for a person first where one is about to visit it."""
        slot.woken.clear()
        if (visit := slot.visitor) is None:  # else it stays as it is until the person has solved that
            self._change(slot, Transition(WorkerState.STARTING), slot.reason)
        try:
            async with slot.worker.opened(visit):
                yield
        except BridgeError as error:
            if visit is not None:
                visit.end(error)
            raise

    async def _used(self, slot: Slot) -> None:
        """Let an open account be used; return when it shall be opened anew, and raise as soon as it is lost."""
        while True:
            self.visits.show_out(slot)
            await first(slot.worker.lost(), slot.woken.wait())
            if slot.state is not WorkerState.READY or slot.visitor is None:
                return
            slot.woken.clear()
            await slot.worker.visited(slot.visitor)

    async def _recall(self, slot: Slot) -> None:
        """Leave the account alone if it was parked or paused before the bridge was started anew."""
        entry, is_paused = await self._parked.entry(slot.worker.name)
        slot.is_paused = slot.is_paused or is_paused
        if entry is not None:
            self._change(slot, Transition(entry.state, entry.until), entry.reason)

    def _fell(self, slot: Slot, error: BridgeError) -> None:
        self.visits.show_out(slot)
        if slot.state in SOON_OVER:  # else the chat's own error has taken it out already
            slot.note(error)
            self._change(slot, after_lost(error, slot.fails, self._settings.rest), error.message)
        slot.fails += slot.state is WorkerState.BROKEN

    async def _until_over(self, slot: Slot) -> None:
        """Return when the account may be opened: now, at its time, or when it is woken."""
        if slot.is_parked and slot.visitor is None:
            await self._woken(slot)
        while slot.visitor is None and (what := self._used_up(slot)) is not None:
            self._change(slot, what, USED_UP)
            await self._woken(slot)

    async def _woken(self, slot: Slot) -> None:
        while not slot.woken.is_set():
            until = slot.until
            seconds = (until - datetime.now(UTC)).total_seconds() if until else None
            try:
                async with asyncio.timeout(seconds):
                    await slot.woken.wait()
            except TimeoutError:
                if slot.until == until:
                    return
        slot.woken.clear()

    def _used_up(self, slot: Slot) -> Transition | None:
        until = self.quota.full_until(slot.sends)
        return None if until is None else Transition(WorkerState.RESTING, until)

    def _change(self, slot: Slot, what: Transition, reason: str = "") -> None:
        """Set the account's state, keep it for a restart, and tell listeners; one that fails does not undo it."""
        slot.looks += what.state is not WorkerState.STARTING
        if (slot.state, slot.until, slot.reason) != (what.state, what.until, reason):
            slot.state, slot.reason, slot.until = what.state, reason, what.until
            if what.state in WARNINGS:
                slot.caution = CAUTIOUS_SENDS
            self._remember(slot)
            self._telemetry.emit(WorkerChanged(slot.worker.name, what.state, reason, what.until))
            with errors_logged("while chats were given to accounts"):
                self._on_change()
        self._changed.set()

    def _remember(self, slot: Slot) -> None:
        """Keep over a restart that the account is to be left alone, or that it is not any more."""
        if slot.state in (WorkerState.STARTING, WorkerState.CLOSED):
            return
        is_parked = slot.until is not None and slot.state not in SOON_OVER
        entry = AccountState(slot.state, slot.reason, slot.until) if is_parked and slot.until else None
        self._parked.put(slot.worker.name, entry)
