"""Admits a person to an account's page once its running chat has ended, and returns the page afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from bridge.chat.operator_visit import Visit
from bridge.errors import BrowserError
from bridge.pool.account import Slot
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.supervisor import Supervisor
from bridge.tasks import Tasks, first

OPEN_LIMIT = 90.0
"""Seconds that opening an account's page for a person may take."""


@asynccontextmanager
async def admit_visit(supervisor: Supervisor, queue: ChatQueue, tasks: Tasks, name: str) -> AsyncGenerator[Visit]:
    """Hold an account back from chats, and give its page to a person once the running chat has left.

    Raise `AccountConflict` if another person uses it, or the error that kept the page from opening.
    """
    slot = supervisor.named(name)
    await _given_back(slot)
    visit = supervisor.visits.expect(slot)
    claiming = tasks.start(_claimed(supervisor, queue, slot, visit))
    try:
        await first(visit.granted.wait(), visit.ended.wait())
        await _begun(visit, name)
        yield visit
    finally:
        visit.leave()
        if not visit.granted.is_set():
            claiming.cancel()
        supervisor.visits.show_out(slot)


async def _given_back(slot: Slot) -> None:
    """If a person has left the page, wait until the account has it back."""
    if (before := slot.visit) is not None and before.over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_LIMIT):
                await before.ended.wait()


async def _claimed(supervisor: Supervisor, queue: ChatQueue, slot: Slot, visit: Visit) -> None:
    """Claim the account for the person until it has its page back."""
    async with queue.claimed(slot):
        supervisor.visits.let_in(slot, visit)
        await visit.ended.wait()


async def _begun(visit: Visit, name: str) -> None:
    try:
        async with asyncio.timeout(OPEN_LIMIT):
            await first(visit.began.wait(), visit.ended.wait())
    except TimeoutError as error:
        raise BrowserError(f"The page of {name} did not open within {OPEN_LIMIT:g} seconds.") from error
    if visit.failure is not None:
        raise visit.failure
