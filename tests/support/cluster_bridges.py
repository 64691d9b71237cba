"""Whole bridges with Chromium, as nodes of one cluster with one site and one Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.app import running
from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.demo.site_settings import DemoSettings
from bridge.settings import ClusterSettings, Settings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry
from tests.support.cluster_nodes import KEY
from tests.support.live import QUICK_SITE, Facts, Live, settings_for, signed_in_profile
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sdk import sdk
from tests.support.waiting import until
from tests.support.watching import Person, account_page

LEASE = 6.0


def ready(run: Live) -> list[str]:
    """Return the accounts of a node that are ready for chats."""
    return sorted(account.name for account in run.bridge.pool.accounts() if account.takes_chats)


@dataclass
class Bridges:
    """A site and a Redis, and the nodes that a test starts on them."""

    folder: Path
    site: DemoSite
    redis: RedisServer
    chromium: Chromium
    stack: AsyncExitStack

    async def save(self, settings: Settings, *accounts: str) -> None:
        """Store the profiles of accounts in the folder of a node with these settings."""
        settings = settings.model_copy(update={"profile_key_file": self.folder / "profile.key"})
        store = ProfileStore(settings.profiles, await asyncio.to_thread(load_identity, settings.key_source))
        for account in accounts:
            await asyncio.to_thread(store.save, signed_in_profile(self.site, account))

    def variables(self, name: str) -> Mapping[str, str]:
        """Return the variables that make `bridge serve` a node."""
        shared = {"url": self.redis.url, "node": name, "key": KEY, "lease": LEASE, "port": 0}
        cluster = {f"BRIDGE_CLUSTER_{setting.upper()}": str(value) for setting, value in shared.items()}
        return {"BRIDGE_PROFILE_KEY_FILE": str(self.folder / "profile.key"), **cluster}

    async def start(self, name: str, *accounts: str, **cluster: Any) -> Live:
        """Run a node until the end of the test; its folder has the profiles of `accounts`."""
        return await self.stack.enter_async_context(self.node(name, *accounts, **cluster))

    @asynccontextmanager
    async def node(self, name: str, *accounts: str, **cluster: Any) -> AsyncGenerator[Live]:
        """Run a node while the context is open."""
        shared = {"url": self.redis.url, "node": name, "key": KEY, "lease": LEASE, "port": 0, **cluster}
        settings = settings_for(self.folder / name, cluster=ClusterSettings.model_validate(shared))
        settings = settings.model_copy(update={"profile_key_file": self.folder / "profile.key"})
        await self.save(settings, *accounts)
        facts = Facts()
        telemetry = Telemetry(facts)
        async with running(settings, telemetry, self.chromium) as bridge:
            key = KeyFile(settings.config).keys()[0]
            async with sdk(f"{bridge.url}/v1", key) as client:
                yield Live(self.site, bridge, settings, telemetry, facts, client, key)


@asynccontextmanager
async def bridges(
    folder: Path, chromium: Chromium, *accounts: str, demo: DemoSettings = QUICK_SITE
) -> AsyncGenerator[Bridges]:
    """Run a site with these accounts, and a Redis, for nodes that share one profile key."""
    key = settings_for(folder / "key")
    await asyncio.to_thread(load_identity, key.key_source)
    (key.config / "profile.key").rename(folder / "profile.key")
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder))
        site = await stack.enter_async_context(DemoSite(replace(demo, accounts=accounts)))
        yield Bridges(folder, site, redis, chromium, stack)


async def goes_on_at_another(nodes: Bridges, someone: Person) -> None:
    """Start a node that takes over alice, and let the person continue there in the view that is already open."""
    await someone.page.get_by_text("No node has this account now.").wait_for()
    other = await nodes.start("other")
    await until(lambda: ready(other) == ["alice"])
    await someone.take()
    await someone.click(account_page(other).locator("textarea").first)
    await someone.type("Hello?")
    await someone.seen(account_page(other).locator("textarea").first, "Hello?")
    someone.complaints[:] = [one for one in someone.complaints if "WebSocket" not in one]
