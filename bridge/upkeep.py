"""What is done for an account while no chat wants it: a new page for one that has grown, old conversations deleted.

An account is borrowed from the pool for it, as if by a chat, and at most one thing is done each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from loguru import logger

from bridge.accounts import PoolWorker
from bridge.errors import SetupError, SiteChanged
from bridge.pool import Pool
from bridge.tasks import Tasks
from bridge.telemetry import ConversationDeleted, Telemetry


@asynccontextmanager
async def upkeep(pool: Pool, telemetry: Telemetry, every: float) -> AsyncGenerator[None]:
    """Look after the pool's idle accounts every so many seconds, as long as this is entered."""
    tasks = Tasks()
    tasks.start(_look_after(pool, telemetry, every))
    try:
        yield
    finally:
        await tasks.close()


async def _look_after(pool: Pool, telemetry: Telemetry, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        for slot in pool.idle():
            if slot.worker.is_worn:
                async with pool.borrowed(slot):
                    await slot.worker.renew()
            elif (conversation := pool.conversations.unused(slot.worker.name)) is not None:
                async with pool.borrowed(slot):
                    await _delete(pool, telemetry, slot.worker, conversation)


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
