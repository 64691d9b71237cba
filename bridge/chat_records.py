"""Records the chats of a running bridge: the usage of each key, and the texts if the settings want them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.api.access.credentials import Credentials
from bridge.api.access.rate_limiter import RateLimiter
from bridge.monitor.chat_list import EndedChat
from bridge.monitor.monitor import Monitor
from bridge.pool.pool import Pool
from bridge.running_pools import Everywhere
from bridge.settings import BrowserSettings, DashboardSettings, UsageSettings
from bridge.storage.chat_history import ChatHistory, folder_in, forget_history
from bridge.storage.profile_key import Identity
from bridge.storage.usage_file import usage_path
from bridge.storage.usage_record import UsageRecord
from bridge.tasks import Tasks
from bridge.telemetry import Telemetry
from bridge.worker.stream_recorder import kept_of


@asynccontextmanager
async def recorded_history(
    config: Path,
    dashboard: DashboardSettings,
    browser: BrowserSettings,
    identity: Identity,
    monitor: Monitor,
    *telemetry: Telemetry,
) -> AsyncGenerator[ChatHistory | None]:
    """Keep the texts of chats, if set, and show those kept by earlier starts."""
    if not dashboard.history:
        await asyncio.to_thread(forget_history, config)
        yield None
        return
    history, tasks = ChatHistory(folder_in(config), identity, dashboard), Tasks()
    for source in telemetry:
        source.add(history)
    tasks.start(_show_earlier(history, browser, monitor))
    tasks.keep(history.tidy)
    try:
        yield history
    finally:
        await tasks.close()
        await history.close()


@asynccontextmanager
async def recorded_usage(
    config: Path, usage: UsageSettings, access: Credentials, everywhere: Everywhere
) -> AsyncGenerator[tuple[UsageRecord, RateLimiter]]:
    """Record the usage of keys, and enforce their limits, including usage from before the start.

    In a cluster, all of it uses the cluster's time.
    """
    now = time.time if isinstance(everywhere, Pool) else everywhere.node.clock.now
    access.now = now
    record = UsageRecord(usage_path(config), usage.max_age, now)
    try:
        limiter = RateLimiter(access.named, record.add, now)
        limiter.restore(await record.last_day())
        if not isinstance(everywhere, Pool):
            everywhere.usage.keys = lambda: [key.id for key in access.keys if key.created is not None]
            limiter.shared = everywhere.usage
            everywhere.relayed.telemetry.add(limiter)
        yield record, limiter
    finally:
        await record.close()


async def _show_earlier(history: ChatHistory, settings: BrowserSettings, monitor: Monitor) -> None:
    earlier = await history.earlier()
    kept = await asyncio.to_thread(lambda: [kept_of(settings, chat.fact.chat) for chat in earlier])
    monitor.remember([EndedChat(one.fact, one.at, one.until, what) for one, what in zip(earlier, kept, strict=True)])
