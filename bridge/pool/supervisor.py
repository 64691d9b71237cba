"""Keeps the accounts open: one task for each reopens it after every loss.

The task repeats: wait until the account may be opened, open it (STARTING), let it be used (READY) until it is lost, set
the state of the error policy. At its time, or when an operator, a new login or a visit wakes it, the account is opened
again; nothing is sent for that. An account that is not needed, or has no room, is closed and sleeps (ASLEEP) until
`wake`; `OpenAccounts` decides that. Two sides report the same error: its chat (`take_out`, before another chat gets the
account) and the page's loss. The first one sets the state (`_fell` keeps a parked one).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from loguru import logger

from bridge.errors import BridgeError, BrowserError, RateLimited, UnknownAccount
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.error_policy import Transition, after_lost, for_client, transition
from bridge.pool.openings import Openings
from bridge.pool.operator_visits import SOON_OVER, Visits
from bridge.pool.quota import Quota
from bridge.pool.removed_accounts import RemovedAccounts
from bridge.pool.state_changes import ASKED, NO_ROOM, REOPENED, SOLVED, USED_UP, AccountStates
from bridge.settings import PoolSettings
from bridge.storage.account_states import StoredAccountStates
from bridge.storage.send_times import SendLog
from bridge.tasks import Tasks, errors_logged, first, is_cancelled, log_unexpected
from bridge.telemetry import AccountRenamed, Telemetry, WorkerChanged, WorkerState

CHECK_LIMIT = 120.0
"""Seconds after which a check returns the account's state even if it is still being opened."""
CLOSE_LIMIT = 30.0
"""Seconds that closing an account may take."""


class Supervisor:
    """The accounts of a pool, kept open while the context is open; calls `on_change` after every change of a state."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        telemetry: Telemetry,
        on_change: Callable[[], None],
        settings: PoolSettings,
        parked: StoredAccountStates,
        sends: SendLog,
        open_limit: float = CHECK_LIMIT,
    ) -> None:
        self.quota = Quota(settings, sends.now)
        self.visits = Visits(telemetry, on_change)
        self._telemetry, self._sends, self._settings = telemetry, sends, settings
        self._states = AccountStates(telemetry, parked, on_change)
        self._openings = Openings(open_limit)
        self.has_room: Callable[[Slot], bool] = lambda _: True
        """Tells whether another account may be open."""
        self._keepers: dict[Slot, asyncio.Task[None]] = {}
        self._tasks, self._removed = Tasks(), RemovedAccounts()
        self.slots = [self._slot(worker, is_token_account=False) for worker in workers]

    async def __aenter__(self) -> Supervisor:
        await self._sends.open()
        for slot in sorted(self.slots, key=lambda slot: self.unused_for(slot.worker.name)):
            self.start(slot)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self._states.close()
        await self._sends.close()

    @property
    def own(self) -> list[Slot]:
        """Return the operator's accounts, without those of clients' tokens."""
        return [slot for slot in self.slots if not slot.is_token_account]

    def unused_for(self, name: str) -> tuple[float, str]:
        """Return a sort key that puts the accounts that sent last first."""
        sends = self._sends.of(name)
        return (-sends[-1] if sends else 0.0), name

    def named(self, name: str, *, own: bool = True) -> Slot:
        """Return the account of that name, or raise `UnknownAccount`; `own` excludes accounts of clients' tokens."""
        for slot in self.own if own else self.slots:
            if slot.worker.name == name:
                return slot
        raise UnknownAccount(f"There is no account {name!r} here.")

    def add(self, worker: PoolWorker, *, is_token_account: bool = False, is_wanted: bool = False) -> Slot:
        """Add an account of the operator or of a client's token; open it if there is room or it is wanted."""
        slot = self._slot(worker, is_token_account=is_token_account)
        slot.is_wanted = is_token_account or is_wanted
        self.slots.append(slot)
        self.start(slot)
        return slot

    def _slot(self, worker: PoolWorker, *, is_token_account: bool) -> Slot:
        slot = Slot(worker, self._settings, is_token_account=is_token_account, now=self._sends.now)
        slot.sends = self._sends.of(worker.name)
        return self._removed.back(slot)

    def start(self, slot: Slot) -> None:
        """Start keeping an account open."""
        self._keepers[slot] = self._tasks.start(self._keep(slot))

    async def stop(self, slot: Slot, why: str) -> None:
        """Close an account and keep it closed; `start` opens it again."""
        if slot.state is WorkerState.READY:
            self._states.change(slot, Transition(WorkerState.STARTING), why)
        if (keeper := self._keepers.pop(slot, None)) is not None:  # else it is closed or closing
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
        self._states.change(slot, Transition(WorkerState.CLOSED))

    def rename(self, slot: Slot, worker: PoolWorker) -> None:
        """Continue a stopped account as `worker`, which has another name, with its whole state."""
        before, name = slot.worker.name, worker.name
        self._states.rename(before, name)
        self._sends.rename(before, name)
        self._telemetry.emit(WorkerChanged(before, WorkerState.CLOSED))
        slot.worker, slot.sends = worker, self._sends.of(name)
        self._telemetry.emit(AccountRenamed(before, name))

    def forget(self, name: str) -> None:
        """Drop the stored state of a removed account."""
        self._states.forget(name)
        self._removed.forget(name)

    def pause(self, name: str, *, is_paused: bool) -> Slot:
        """Pause or resume an account, across restarts."""
        slot = self.named(name)
        self._states.pause(slot, is_paused=is_paused)
        return slot

    def take_out(self, slot: Slot, error: BridgeError) -> BridgeError:
        """Set the account's state after `error`, if that changes it, before another chat can get the account.

        Return the error for the client, with the time at which the account's rest is over.
        """
        slot.note(error)
        what = transition(error, slot.fails, self._settings.rest, slot.now)
        if what is not None:
            self._take_out(slot, what, error)
        return for_client(error, what, slot.now)

    def _take_out(self, slot: Slot, what: Transition, error: BridgeError) -> None:
        self._states.change(slot, what, error.message)
        slot.worker.give_up(error)

    def sent(self, slot: Slot, since: float) -> None:
        """Pause the account after a send at the monotonic time `since`, or let it rest if its quota is used up."""
        slot.pause(since)
        self._sends.add(slot.worker.name, slot.now())
        if (what := self._used_up(slot)) is not None:
            self._take_out(slot, what, RateLimited(USED_UP, until=what.until))

    def wake(self, slot: Slot, reason: str) -> None:
        """Open a sleeping account."""
        if slot.state is WorkerState.ASLEEP:
            slot.is_wanted = True
            self._states.change(slot, Transition(WorkerState.STARTING), reason)
            slot.woken.set()

    def put_to_sleep(self, slot: Slot, reason: str) -> None:
        """Close an open account without a chat until it is woken."""
        if slot.state is WorkerState.READY:
            slot.is_leaving = False
            self._states.change(slot, Transition(WorkerState.ASLEEP), reason)
            slot.woken.set()

    async def check(self, name: str) -> Slot:
        """Determine an account's state now, and return the account."""
        slot = self.named(name, own=False)
        looks = slot.looks
        if slot.state is WorkerState.ASLEEP:
            self.wake(slot, ASKED)
        elif slot.is_parked:
            slot.is_wanted = True
            slot.woken.set()
        elif slot.state is WorkerState.READY:
            with suppress(BridgeError):  # `lost` raises it to the account's task, too
                await slot.worker.check()
                return slot
        return await self.known(slot, looks)

    async def reopen(self, slot: Slot) -> None:
        """Close an account, open it again, and wait until its state is known."""
        if slot.state in (WorkerState.READY, WorkerState.ASLEEP):
            self._states.change(slot, Transition(WorkerState.STARTING), REOPENED)
        slot.is_wanted = True
        slot.woken.set()
        await self.known(slot, slot.looks)

    async def known(self, slot: Slot, looks: int) -> Slot:
        """Wait until the account's state is determined again since `looks`; raise `UnknownAccount` if it is gone."""
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                while slot.looks == looks and slot in self.slots:
                    await self._states.next_change()
        except TimeoutError:
            logger.warning("It took longer than {:g} seconds to open {}", CHECK_LIMIT, slot.worker.name)
        if slot not in self.slots:
            raise UnknownAccount(f"The account {slot.worker.name} has just been removed.")
        return slot

    async def _keep(self, slot: Slot) -> None:
        """Keep one account open, and reopen it after every loss or error."""
        with errors_logged("while reading the parked accounts"):
            await self._states.recall(slot)
        while not is_cancelled():
            try:
                await self._until_over(slot)
                if not self._may_open(slot):
                    self._states.change(slot, Transition(WorkerState.ASLEEP), NO_ROOM)
                    continue
                async with self._opened(slot):
                    self._states.change(slot, Transition(WorkerState.READY))
                    await self._used(slot)
            except BridgeError as error:
                self._fell(slot, error)
            except (Exception, asyncio.CancelledError) as error:  # no other code would open the account again
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                log_unexpected(error, f"while keeping {slot.worker.name} open")
                self._fell(slot, BrowserError(f"The account could not be kept open: {type(error).__name__}."))

    @asynccontextmanager
    async def _opened(self, slot: Slot) -> AsyncGenerator[None]:
        """Open the account, first for a person if there is a visit."""
        slot.woken.clear()
        slot.is_open, slot.is_wanted, visit = True, False, slot.visitor
        if visit is None or slot.state is WorkerState.ASLEEP:
            self._states.change(slot, Transition(WorkerState.STARTING), slot.reason)
        else:  # it stays parked until the person has solved the problem
            visit.on_solved = partial(self._states.change, slot, Transition(WorkerState.STARTING), SOLVED)
        try:
            async with AsyncExitStack() as stack:
                async with self._openings.one(has_visitor=visit is not None):
                    await stack.enter_async_context(slot.worker.opened(visit))
                yield
        except BridgeError as error:
            if visit is not None:
                visit.end(error)
            raise
        finally:
            slot.is_open = slot.is_leaving = False
            self._states.notify()

    def _may_open(self, slot: Slot) -> bool:
        """Tell whether the account may be opened now; no other task may run between this and its opening."""
        return slot.is_wanted or slot.visitor is not None or self.has_room(slot)

    async def _used(self, slot: Slot) -> None:
        """Wait until an open account is lost, with its new state set, or must be reopened."""
        while True:
            self.visits.show_out(slot)
            try:
                await first(slot.worker.lost(), slot.woken.wait())
            except BridgeError as error:
                self._fell(slot, error)  # before its page closes, so that no chat gets it meanwhile
                return
            if slot.state is not WorkerState.READY or slot.visitor is None:
                if slot.state is WorkerState.ASLEEP:
                    slot.woken.clear()  # else the account would wake at once
                return
            slot.woken.clear()
            await slot.worker.visited(slot.visitor)

    def _fell(self, slot: Slot, error: BridgeError) -> None:
        self.visits.show_out(slot)
        is_taken_out = slot.is_open and slot.state is WorkerState.BROKEN  # by the error of its own chat
        if slot.state in SOON_OVER and not is_taken_out:
            slot.note(error)
            self._states.change(slot, after_lost(error, slot.fails, self._settings.rest, slot.now), error.message)
        slot.fails += slot.state is WorkerState.BROKEN

    async def _until_over(self, slot: Slot) -> None:
        """Wait until the account may be opened: now, at its time, or when it is woken."""
        if slot.is_parked and slot.visitor is None:
            await slot.due()
        while slot.visitor is None and (what := self._used_up(slot)) is not None:
            slot.is_wanted = False
            self._states.change(slot, what, USED_UP)
            await slot.due()

    def _used_up(self, slot: Slot) -> Transition | None:
        until = self.quota.full_until(slot.sends)
        return None if until is None else Transition(WorkerState.RESTING, until)
