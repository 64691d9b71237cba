"""Lends the operator's checks an open account that nobody uses; a chat that comes meanwhile waits for its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bridge.errors import AccountConflict, BrowserError, HumanNeeded, LoginRequired, Muted
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.telemetry import WorkerState

OF_ACCOUNT = (LoginRequired, HumanNeeded, Muted)
"""What a check finds out about the account itself; all else says nothing of the page that takes its chats."""


@asynccontextmanager
async def lending(supervisor: Supervisor, queue: ChatQueue, name: str) -> AsyncGenerator[PoolWorker]:
    """Keep chats away from an idle account, and yield its worker.

    Raises `AccountConflict` where somebody uses it, and `BrowserError` where its page is not open.
    """
    slot = supervisor.named(name, own=False)
    _check_idle(slot, queue)
    async with queue.claimed(slot):  # nobody has it, so it is granted before anybody else runs
        try:
            yield slot.worker
        except OF_ACCOUNT as error:
            supervisor.take_out(slot, error)
            raise


def _check_idle(slot: Slot, queue: ChatQueue) -> None:
    name = slot.worker.name
    if slot.is_held:
        raise AccountConflict(f"A person is in the page of {name}; try again when they have left it.")
    if slot in queue.busy():
        raise AccountConflict(f"{name} is busy with a chat, or with its upkeep; try again when that has ended.")
    if slot.state is WorkerState.STARTING:
        raise AccountConflict(f"{name} is being opened; try again when it is.")
    if slot.is_parked:
        raise BrowserError(f"The page of {name} is not open: {slot.account(is_busy=False)}.")
