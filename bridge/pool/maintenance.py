"""Maintains idle accounts: renews pages, prepares empty chats, deletes old conversations.

Each step borrows the account from the pool, as a chat does, and only one step of an account runs at a time. After a
failure the account is left alone for a while, longer each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from loguru import logger

from bridge.durations import HOUR, MINUTE
from bridge.errors import BridgeError, SetupError, SiteChanged
from bridge.pool.account import Slot
from bridge.pool.pool import Pool
from bridge.tasks import Tasks, log_unexpected
from bridge.telemetry import ConversationDeleted, Telemetry

PAUSES = (MINUTE, 10 * MINUTE, HOUR)
"""Seconds without maintenance of an account after consecutive failures; the last value repeats."""
MOVE_AT_LATEST = 5 * MINUTE
"""Seconds of uninterrupted chats after which an account moves to the new browser before the next chat."""


@asynccontextmanager
async def maintenance(pool: Pool, telemetry: Telemetry, every: float) -> AsyncGenerator[None]:
    """Maintain the idle accounts after each chat, and at least every `every` seconds, while the context is open."""
    keeper = _Maintenance(pool, telemetry, every)
    keeper.tasks.keep(keeper.run)
    try:
        yield
    finally:
        await keeper.tasks.close()


@dataclass(slots=True)
class _Failures:
    """The consecutive failures of an account's maintenance, which is paused until the monotonic time `over`."""

    count: int = 0
    over: float = 0.0

    def another(self) -> None:
        self.over = time.monotonic() + PAUSES[min(self.count, len(PAUSES) - 1)]
        self.count += 1


class _Maintenance:
    def __init__(self, pool: Pool, telemetry: Telemetry, every: float) -> None:
        self.tasks = Tasks()
        self._pool = pool
        self._telemetry = telemetry
        self._every = every
        self._failures: dict[Slot, _Failures] = {}
        self._at_work: set[Slot] = set()
        self._moving: dict[Slot, float] = {}
        """Busy accounts that must move to another browser, with the monotonic time of the first check."""
        self._one_move = asyncio.Lock()

    async def run(self) -> None:
        """Start the due steps, in a loop."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._pool.queue.freed.wait()
            self._pool.queue.freed.clear()
            # An account is also idle while its step looks for due work: a second step would find the same.
            for slot in [slot for slot in self._pool.queue.idle() if slot not in self._at_work]:
                self._at_work.add(slot)
                self.tasks.start(self._step(slot))
            self._move_busy()

    def _move_busy(self) -> None:
        """Reopen accounts that are never idle in the new browser, between two of their chats."""
        busy = [slot for slot in self._pool.queue.busy() if slot is not None and slot.worker.is_reopening_due]
        self._moving = {slot: self._moving.get(slot, time.monotonic()) for slot in busy}
        for slot, since in self._moving.items():
            if time.monotonic() - since >= MOVE_AT_LATEST:
                self._moving[slot] = float("inf")  # reopens it only once
                self.tasks.start(self._pool.reopen_idle(slot))

    async def _step(self, slot: Slot) -> None:
        try:
            await self._tend(slot)
        finally:
            self._at_work.discard(slot)

    async def _tend(self, slot: Slot) -> None:
        """Do the due step of an account, unless one failed recently."""
        failures = self._failures.setdefault(slot, _Failures())
        if time.monotonic() < failures.over:
            return
        try:
            if await self._do(slot):
                self._failures.pop(slot, None)
            return
        except BridgeError as error:
            logger.warning("The maintenance of {} failed: {}", slot.worker.name, error.message)
        except Exception as error:  # noqa: BLE001 - an outermost edge: the next attempt must not follow at once
            log_unexpected(error, f"in the maintenance of {slot.worker.name}")
        failures.another()

    async def _do(self, slot: Slot) -> bool:
        """Do the due step, if there is one and the account is still idle; tell whether a step was done."""
        worker = slot.worker
        if slot not in self._pool.queue.idle():
            return False
        if worker.is_reopening_due:
            async with self._one_move:  # else, for a moment, no account would be ready
                if slot in self._pool.queue.idle():
                    await self._pool.reopen_idle(slot)
        elif worker.is_renewal_due:
            async with self._pool.borrowed(slot):
                await worker.renew()
        elif worker.wants_new_chat:
            async with self._pool.borrowed(slot):
                await worker.prepare()
        elif (conversation := await self._pool.conversations.unused(worker.name)) and self._is_free(slot):
            await self._delete(slot, conversation)
        else:
            return False
        return True

    def _is_free(self, slot: Slot) -> bool:
        """Tell whether the account is idle, and its pause is over."""
        return slot in self._pool.queue.idle() and slot.free_at <= time.monotonic()

    async def _delete(self, slot: Slot, conversation: str) -> None:
        """Delete a conversation; on failure mark it as used now, so that others are tried first."""
        name, conversations = slot.worker.name, self._pool.conversations
        refusal: BridgeError | None = None
        try:
            async with self._pool.borrowed(slot):
                try:
                    await slot.worker.delete(conversation)
                except (SetupError, SiteChanged) as error:
                    refusal = error  # does not concern the account, which still answers chats
            if refusal is not None:
                raise refusal
        except BridgeError:
            conversations.made(conversation, name)
            raise
        finally:
            slot.pause(time.monotonic())
        conversations.deleted(conversation)
        self._telemetry.emit(ConversationDeleted(name, conversation))
