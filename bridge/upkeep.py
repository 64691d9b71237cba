"""What is done for an account while no chat wants it: a new page, a new chat, an old conversation deleted.

An account is borrowed from the pool for it, as if by a chat, and at most one thing is done each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from loguru import logger

from bridge.accounts import PoolWorker, Slot
from bridge.errors import SetupError, SiteChanged
from bridge.pool import Pool
from bridge.tasks import Tasks
from bridge.telemetry import ConversationDeleted, Telemetry


@asynccontextmanager
async def upkeep(pool: Pool, telemetry: Telemetry, every: float) -> AsyncGenerator[None]:
    """Look after the idle accounts whenever a chat has ended, and every so many seconds, as long as this is entered."""
    tasks = Tasks()

    async def look_after() -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await pool.freed.wait()
            pool.freed.clear()
            for slot in pool.idle():
                tasks.start(_tend(pool, telemetry, slot))

    tasks.start(look_after())
    try:
        yield
    finally:
        await tasks.close()


async def _tend(pool: Pool, telemetry: Telemetry, slot: Slot) -> None:
    """Do what is due for an account, if anything is, and it is still idle."""
    worker = slot.worker
    if slot not in pool.idle():
        return
    if worker.is_worn:
        async with pool.borrowed(slot):
            await worker.renew()
    elif worker.wants_new_chat:
        async with pool.borrowed(slot):
            await worker.prepare()
    elif (conversation := await pool.conversations.unused(worker.name)) and _is_free(pool, slot):
        async with pool.borrowed(slot):
            await _delete(pool, telemetry, worker, conversation)
        pool.pause(slot, time.monotonic())


def _is_free(pool: Pool, slot: Slot) -> bool:
    """Tell whether nobody wants the account, and its pause is over."""
    return slot in pool.idle() and slot.free_at <= time.monotonic()


async def _delete(pool: Pool, telemetry: Telemetry, worker: PoolWorker, conversation: str) -> None:
    """Delete a conversation; one that cannot be deleted counts as used now, so that it is tried again much later."""
    try:
        await worker.delete(conversation)
    except (SetupError, SiteChanged) as error:
        pool.conversations.made(conversation, worker.name)
        logger.warning("A conversation of {} was not deleted: {}", worker.name, error.message)
    else:
        pool.conversations.deleted(conversation)
        telemetry.emit(ConversationDeleted(worker.name, conversation))
