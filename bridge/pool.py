"""Hands each chat to an account that is free to answer it, in order of arrival.

State is two lists: the accounts (`Accounts.slots`) and the leases on them (`_leases`). Whether an account is busy,
and who waits, follows from them; `_assign` is called whenever anything changes and alone pairs the two.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridge import models
from bridge.accounts import Account, Accounts, PoolWorker, Slot
from bridge.chat import ChatEvent, ChatRequest, Finish, Model
from bridge.errors import BridgeError, BrowserError, NoAccount, PoolFull, PoolTimeout, UnknownModel
from bridge.fate import fate
from bridge.settings import PoolSettings
from bridge.telemetry import ChatEnded, ChatQueued, ChatStarted, Telemetry, Timeline, WorkerState

MOVES = 3
"""How often a chat may be given to an account, as long as nothing of it was sent."""
JITTER = 0.3
"""The pace varies by up to this share of the minimum interval."""
RETRY_AFTER = 5.0
"""Seconds that clients are asked to wait when no better figure is known."""
LAST_LIMIT = 5.0
"""Seconds that chats get to end after they were told to, when the bridge stops."""


@dataclass(slots=True, eq=False)
class _Lease:
    """A chat in the pool: it waits while `slot` is None, else it has that account for itself."""

    fitting: Sequence[Slot]
    slot: Slot | None = None
    error: BridgeError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Pool:
    """The accounts; a `ChatBackend`. Runs while it is entered as a context manager."""

    def __init__(self, workers: Sequence[PoolWorker], settings: PoolSettings, telemetry: Telemetry) -> None:
        self._accounts = Accounts(workers, telemetry, self._assign)
        self._leases: list[_Lease] = []
        self._settings = settings
        self._telemetry = telemetry
        self._timer: asyncio.TimerHandle | None = None
        self._is_draining = False
        self._is_empty = asyncio.Event()

    async def __aenter__(self) -> Pool:
        await self._accounts.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._accounts.__aexit__()
        if self._timer is not None:
            self._timer.cancel()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat as soon as an account is free; see `ChatBackend.chat`."""
        timeline = Timeline(request.id, request.model.id)
        result, reason = "cancelled", ""
        try:
            async with aclosing(self._answer(request, timeline)) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        result = event.reason
                    yield event
        except BridgeError as error:
            result, reason = error.code, error.message
            raise
        finally:
            timeline.mark("end")
            marks = timeline.marks
            self._telemetry.emit(ChatEnded(request.id, request.model.id, timeline.account, result, reason, marks))

    def models(self) -> Sequence[Model]:
        """Return the models of all sites that have an account here."""
        return [model for bases in self._accounts.sites() for model in models.listed(bases)]

    def model(self, name: str) -> Model:
        """Return what `name` means on the first site that knows it; raises `UnknownModel`."""
        unknown: BridgeError = NoAccount("No account is logged in; run `bridge login NAME`.")
        for bases in self._accounts.sites():
            try:
                return models.resolve(name, bases)
            except UnknownModel as error:
                unknown = error
        raise unknown

    def accounts(self) -> list[Account]:
        """Return how the accounts stand."""
        busy = {lease.slot for lease in self._leases}
        return [
            Account(slot.worker.name, slot.state, slot.reason, slot.until, slot in busy)
            for slot in self._accounts.slots
        ]

    def unready(self) -> str | None:
        """Return why no chat could be taken now, or None."""
        if self._is_draining:
            return "The bridge is stopping."
        if not self._accounts.slots:
            return "No account is logged in; run `bridge login NAME`."
        if any(slot.state is WorkerState.READY for slot in self._accounts.slots):
            return None
        return f"No account is ready: {'; '.join(map(str, self.accounts()))}."

    async def drain(self, limit: float) -> None:
        """Take no more chats, send the waiting ones away, and give the running ones `limit` seconds to end."""
        self._is_draining = True
        self._assign()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._is_empty.wait()
        for lease in self._leases:
            if lease.slot is not None:
                lease.slot.worker.give_up(BrowserError("The bridge is stopping."))
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIMIT):
                await self._is_empty.wait()

    async def _answer(self, request: ChatRequest, timeline: Timeline) -> AsyncGenerator[ChatEvent]:
        """Answer on the first account that takes the chat; another one is tried only if nothing was sent."""
        lease = self._enter(request, timeline)
        deadline = time.monotonic() + self._settings.queue_limit
        try:
            for moves_left in reversed(range(MOVES)):
                slot = await self._granted(lease, deadline)
                timeline.account = slot.worker.name
                timeline.mark("started")
                self._telemetry.emit(ChatStarted(request.id, slot.worker.name))
                try:
                    async with aclosing(slot.worker.chat(request, timeline)) as events:
                        async for event in events:
                            yield event
                    slot.fails = 0
                    return
                except BridgeError as error:
                    self._accounts.take_out(slot, error)
                    if error.sent or fate(error) is None or not moves_left:
                        raise
                    lease.slot = None
                    self._assign()
                finally:
                    self._pace(slot, timeline)
        finally:
            self._leases.remove(lease)
            self._assign()

    def _enter(self, request: ChatRequest, timeline: Timeline) -> _Lease:
        timeline.mark("queued")
        lease = _Lease([slot for slot in self._accounts.slots if slot.serves(request.model)])
        self._leases.append(lease)
        self._assign()
        waiting = sum(other.slot is None for other in self._leases)
        self._telemetry.emit(ChatQueued(request.id, request.model.id, waiting))
        if lease.slot is None and lease.error is None and waiting > self._settings.queue_size:
            lease.error = PoolFull(
                f"{waiting - 1} chats are waiting already; try again later.", retry_after=RETRY_AFTER
            )
            lease.changed.set()
        return lease

    async def _granted(self, lease: _Lease, deadline: float) -> Slot:
        """Return the lease's account as soon as it has one."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                while lease.slot is None and lease.error is None:
                    lease.changed.clear()
                    await lease.changed.wait()
        except TimeoutError as error:
            states = "; ".join(map(str, self.accounts()))
            message = f"No account became free within {self._settings.queue_limit:g} seconds: {states}."
            raise PoolTimeout(message, retry_after=RETRY_AFTER) from error
        if lease.error is not None:
            raise lease.error
        assert lease.slot is not None  # noqa: S101 - the loop's condition, for the type checker
        return lease.slot

    def _assign(self) -> None:
        """Pair waiting chats with free accounts, oldest chat and longest rested account first."""
        now = time.monotonic()
        busy = {lease.slot for lease in self._leases if lease.slot is not None}
        free = [slot for slot in self._accounts.slots if slot.state is WorkerState.READY and slot not in busy]
        free.sort(key=lambda slot: slot.free_at)
        for lease in [lease for lease in self._leases if lease.slot is None and lease.error is None]:
            slot = next((slot for slot in free if slot.free_at <= now and slot in lease.fitting), None)
            if slot is not None and not self._is_draining:
                free.remove(slot)
                lease.slot = slot
                lease.changed.set()
            elif (error := self._hopeless(lease)) is not None:
                lease.error = error
                lease.changed.set()
        self._set_timer(min((slot.free_at for slot in free if slot.free_at > now), default=None))
        if self._leases:
            self._is_empty.clear()
        else:
            self._is_empty.set()

    def _set_timer(self, when: float | None) -> None:
        """Call `_assign` again when the next account's pause is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None and any(lease.slot is None for lease in self._leases):
            self._timer = asyncio.get_running_loop().call_later(when - time.monotonic(), self._assign)

    def _hopeless(self, lease: _Lease) -> NoAccount | None:
        """Return why waiting is pointless, if it is."""
        if self._is_draining:
            return NoAccount("The bridge is stopping.", retry_after=RETRY_AFTER)
        if any(slot.is_back_within(self._settings.queue_limit) for slot in lease.fitting):
            return None
        untils = [slot.until for slot in lease.fitting if slot.until is not None]
        until = min(untils, default=None)
        wait = (until - datetime.now(UTC)).total_seconds() if until else None
        states = "; ".join(map(str, self.accounts()))
        return NoAccount(f"No account can answer now: {states}.", retry_after=wait, until=until)

    def _pace(self, slot: Slot, timeline: Timeline) -> None:
        sent_at = timeline.at("sent")
        if sent_at is not None:
            least = self._settings.min_interval
            least = slot.worker.min_interval if least is None else least
            slot.free_at = sent_at + least * random.uniform(1, 1 + JITTER)  # noqa: S311 - a pace, not a secret
