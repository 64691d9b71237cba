"""Two whole bridges with Chromium on one site: either answers from any account, and accounts go on when one stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from openai import AsyncOpenAI

from bridge.app import Bridge, running
from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.settings import ClusterSettings
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry
from tests.support.cluster_nodes import KEY
from tests.support.live import QUICK_SITE, settings_for, signed_in_profile
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sdk import sdk
from tests.support.waiting import LIMIT, until


@asynccontextmanager
async def node(
    folder: Path, name: str, redis: RedisServer, chromium: Chromium, site: DemoSite, *accounts: str
) -> AsyncGenerator[tuple[Bridge, AsyncOpenAI]]:
    cluster = {"url": redis.url, "node": name, "key": KEY, "lease": 3.0, "port": 0}
    settings = settings_for(folder / name, cluster=ClusterSettings.model_validate(cluster))
    settings = settings.model_copy(update={"profile_key_file": folder / "profile.key"})
    store = ProfileStore(settings.profiles, await asyncio.to_thread(load_identity, settings))
    for account in accounts:
        await asyncio.to_thread(store.save, signed_in_profile(site, account))
    async with (
        running(settings, Telemetry(), chromium) as bridge,
        sdk(f"{bridge.url}/v1", KeyFile(settings.config).keys()[0]) as client,
    ):
        yield bridge, client


def ready(bridge: Bridge) -> list[str]:
    return sorted(account.name for account in bridge.pool.accounts() if account.takes_chats)


async def ask(client: AsyncOpenAI, *texts: str) -> str:
    roles = ("user", "assistant")
    answer = await client.chat.completions.create(
        model="deepseek-chat",
        messages=[{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)],  # type: ignore[misc]
    )
    return answer.choices[0].message.content or ""


async def test_two_bridges_share_two_accounts_until_one_stops(chromium: Chromium, tmp_path: Path) -> None:
    key = settings_for(tmp_path / "key")
    await asyncio.to_thread(load_identity, key)
    (key.config / "profile.key").rename(tmp_path / "profile.key")
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path))
        site = await stack.enter_async_context(DemoSite(replace(QUICK_SITE, accounts=("alice", "bob"))))
        first = await stack.enter_async_context(AsyncExitStack())
        one, client_one = await first.enter_async_context(node(tmp_path, "one", redis, chromium, site, "alice", "bob"))
        await until(lambda: ready(one) == ["alice", "bob"])
        two, client_two = await stack.enter_async_context(node(tmp_path, "two", redis, chromium, site))
        await until(lambda: two.everywhere.unready() is None)
        answers = await asyncio.gather(
            *(ask(client, f"Hello {n}") for n, client in enumerate([client_one, client_two]))
        )
        assert all(answers)
        stream = await client_two.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": "Stream, please"}], stream=True
        )
        assert len([chunk async for chunk in stream]) > 1
        await first.aclose()
        async with asyncio.timeout(LIMIT):
            assert await ask(client_two, "Are you still there?")
        await until(lambda: ready(two) == ["alice", "bob"])
        sent = [turn for account in site.accounts for turn in account.turns]
        assert len(sent) == 4
        assert max(account.max_parallel for account in site.accounts) == 1
