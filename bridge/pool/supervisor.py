"""Keeps the accounts open: one task for each, which opens it again after whatever it was lost to.

The task repeats: wait until the account may be opened, open it (STARTING), let it be used (READY) until it is lost, set
the state that the error policy names. At its time, or when an operator, a new login or a visit wakes it, the account is
opened again; nothing is sent for that. One that nobody needs, or for which there is no room, is closed and sleeps
(ASLEEP) until `wake`; `OpenAccounts` decides that. Two sides report the same error: the chat that met it (`take_out`,
before another chat gets the account) and the page's loss. The first sets the state (`_fell` keeps a parked one).
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
"""Seconds that an account gets to be closed."""


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
        open_limit: float = CHECK_LIMIT,
    ) -> None:
        self.quota = Quota(settings, sends.now)
        self.visits = Visits(telemetry, on_change)
        self._telemetry, self._sends, self._settings = telemetry, sends, settings
        self._states = AccountStates(telemetry, parked, on_change)
        self._openings = Openings(open_limit)
        self.has_room: Callable[[Slot], bool] = lambda _: True
        """Tells whether one more account may be open."""
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
        """Return the accounts that no client has brought along."""
        return [slot for slot in self.slots if not slot.is_token_account]

    def unused_for(self, name: str) -> tuple[float, str]:
        """Return an order of accounts in which those that sent last come first."""
        sends = self._sends.of(name)
        return (-sends[-1] if sends else 0.0), name

    def named(self, name: str, *, own: bool = True) -> Slot:
        """Return the account of that name, or raise `UnknownAccount`; `own` leaves those of clients out."""
        for slot in self.own if own else self.slots:
            if slot.worker.name == name:
                return slot
        raise UnknownAccount(f"There is no account {name!r} here.")

    def add(self, worker: PoolWorker, *, is_token_account: bool = False, is_wanted: bool = False) -> Slot:
        """Add an account, of the operator's own or of a client's token; open it if there is room, or it is wanted."""
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
        """Hold an account open from now on."""
        self._keepers[slot] = self._tasks.start(self._keep(slot))

    async def stop(self, slot: Slot, why: str) -> None:
        """Close an account and keep it closed; `start` opens it again."""
        if slot.state is WorkerState.READY:
            self._states.change(slot, Transition(WorkerState.STARTING), why)
        if (keeper := self._keepers.pop(slot, None)) is not None:  # else it is closed, or about to be
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
        """Let a stopped account go on as `worker`, which has another name, and all that is known of it with it."""
        before, name = slot.worker.name, worker.name
        self._states.rename(before, name)
        self._sends.rename(before, name)
        self._telemetry.emit(WorkerChanged(before, WorkerState.CLOSED))
        slot.worker, slot.sends = worker, self._sends.of(name)
        self._telemetry.emit(AccountRenamed(before, name))

    def forget(self, name: str) -> None:
        """Drop what is kept over a restart of an account that is removed."""
        self._states.forget(name)
        self._removed.forget(name)

    def pause(self, name: str, *, is_paused: bool) -> Slot:
        """Pause or resume an account; this survives a restart."""
        slot = self.named(name)
        self._states.pause(slot, is_paused=is_paused)
        return slot

    def take_out(self, slot: Slot, error: BridgeError) -> BridgeError:
        """Set the state that `error` means for the account, if any, before another chat can get it.

        Returns the error as the client is to get it, which says when the account's rest is over.
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
        """Let the account pause after a send when the clock showed `since`, or rest if its budget is used."""
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
        """Close an open account that has no chat until something wakes it."""
        if slot.state is WorkerState.READY:
            slot.is_leaving = False
            self._states.change(slot, Transition(WorkerState.ASLEEP), reason)
            slot.woken.set()

    async def check(self, name: str) -> Slot:
        """Find out an account's state now, and return the account as soon as it is known."""
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
        """Close an account and open it again; return as soon as its state is known."""
        if slot.state in (WorkerState.READY, WorkerState.ASLEEP):
            self._states.change(slot, Transition(WorkerState.STARTING), REOPENED)
        slot.is_wanted = True
        slot.woken.set()
        await self.known(slot, slot.looks)

    async def known(self, slot: Slot, looks: int) -> Slot:
        """Wait until the account's state was found out more than `looks` times; `UnknownAccount` if it is removed."""
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                while slot.looks == looks and slot in self.slots:
                    await self._states.next_change()
        except TimeoutError:
            logger.warning("It took longer than {:g} seconds to open {}", CHECK_LIMIT, slot.worker.name)
        if slot not in self.slots:
            raise UnknownAccount(f"The account {slot.worker.name} was removed just now.")
        return slot

    async def _keep(self, slot: Slot) -> None:
        """Hold one account open, and open it again after whatever it was lost to; survives everything."""
        with errors_logged("while the parked accounts were read"):
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
            except (Exception, asyncio.CancelledError) as error:  # nobody else would open the account again
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                log_unexpected(error, f"while {slot.worker.name} was kept open")
                self._fell(slot, BrowserError(f"The account could not be kept open: {type(error).__name__}."))

    @asynccontextmanager
    async def _opened(self, slot: Slot) -> AsyncGenerator[None]:
        """Open the account, for a person first where one is about to visit it."""
        slot.woken.clear()
        slot.is_open, slot.is_wanted, visit = True, False, slot.visitor
        if visit is None or slot.state is WorkerState.ASLEEP:
            self._states.change(slot, Transition(WorkerState.STARTING), slot.reason)
        else:  # it stays parked until the person has solved that
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
        """Tell whether the account may be opened now; between this and its opening nothing else may run."""
        return slot.is_wanted or slot.visitor is not None or self.has_room(slot)

    async def _used(self, slot: Slot) -> None:
        """Let an open account be used; return when it shall be reopened, its state set where it is lost."""
        while True:
            self.visits.show_out(slot)
            try:
                await first(slot.worker.lost(), slot.woken.wait())
            except BridgeError as error:
                self._fell(slot, error)  # before its page is closed, so that no chat gets it meanwhile
                return
            if slot.state is not WorkerState.READY or slot.visitor is None:
                if slot.state is WorkerState.ASLEEP:
                    slot.woken.clear()  # else it would wake at once
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
        """Return when the account may be opened: now, at its time, or when it is woken."""
        if slot.is_parked and slot.visitor is None:
            await slot.due()
        while slot.visitor is None and (what := self._used_up(slot)) is not None:
            slot.is_wanted = False
            self._states.change(slot, what, USED_UP)
            await slot.due()

    def _used_up(self, slot: Slot) -> Transition | None:
        until = self.quota.full_until(slot.sends)
        return None if until is None else Transition(WorkerState.RESTING, until)
