"""Lends an open, idle account to the operator's checks; a new chat waits until the check has ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bridge.errors import AccountConflict, BrowserError, HumanNeeded, LoginRequired, Muted
from bridge.pool.account import PoolWorker, Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.telemetry import WorkerState

OF_ACCOUNT = (LoginRequired, HumanNeeded, Muted)
"""Errors of a check that concern the account itself; others do not concern the page that takes its chats."""


@asynccontextmanager
async def lending(supervisor: Supervisor, queue: ChatQueue, name: str) -> AsyncGenerator[PoolWorker]:
    """Hold an idle account back from chats, and yield its worker.

    Raise `AccountConflict` if it is in use, and `BrowserError` if its page is not open.
    """
    slot = supervisor.named(name, own=False)
    _check_idle(slot, queue)
    async with queue.claimed(slot):  # it is idle, so it is granted before any other task runs
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
