"""Two whole bridges with Chromium on one site: either answers from any account, and accounts go on when one stops."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bridge.app import running
from bridge.browser.browser import Chromium
from bridge.cli.login_link import for_one_login
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import Script
from bridge.pool.account_record import decoded
from bridge.pool.pool import Pool
from tests.support.cluster_bridges import LEASE, bridges, ready
from tests.support.live import Live, directive, settings_for
from tests.support.waiting import LIMIT, until


async def ask(run: Live, text: str) -> str:
    answer = await run.client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": text}]
    )
    return answer.choices[0].message.content or ""


async def test_two_bridges_share_two_accounts_until_one_stops(chromium: Chromium, tmp_path: Path) -> None:
    async with bridges(tmp_path, chromium, "alice", "bob") as nodes, AsyncExitStack() as first:
        one = await first.enter_async_context(nodes.node("one", "alice", "bob"))
        await until(lambda: ready(one) == ["alice", "bob"])
        two = await nodes.start("two")
        await until(lambda: two.bridge.everywhere.unready() is None)
        answers = await asyncio.gather(ask(one, "Hello 0"), ask(two, "Hello 1"))
        assert all(answers)
        assert len([chunk async for chunk in await two.stream("Stream, please")]) > 1
        await first.aclose()
        async with asyncio.timeout(LIMIT):
            assert await ask(two, "Are you still there?")
        await until(lambda: ready(two) == ["alice", "bob"])
        sent = [turn for account in nodes.site.accounts for turn in account.turns]
        assert len(sent) == 4
        assert max(account.max_parallel for account in nodes.site.accounts) == 1


async def test_the_next_bridge_stops_what_the_site_still_generates(chromium: Chromium, tmp_path: Path) -> None:
    async with bridges(tmp_path, chromium, "alice") as nodes:
        one = await nodes.start("one", "alice")
        await until(lambda: ready(one) == ["alice"])
        two = await nodes.start("two")
        one.account().fault("unattended")
        stream = await one.stream(directive(tokens=5000, rate=50))
        await anext(aiter(stream))
        assert not isinstance(one.bridge.everywhere, Pool)
        node = one.bridge.everywhere.node
        lease, data = (node.link.of_account("alice", part) for part in ("lease", "data"))

        async def is_noted() -> bool:
            record = (await node.link.fields(data, "record"))["record"]
            return bool(decoded(record or b"").generating)

        await until(is_noted)
        await node.link.run(Script("return redis.call('DEL', KEYS[1])"), [lease])
        leases = RedisLeases(node.link, LEASE)
        fence = await leases.acquire("alice", "somebody")
        assert fence is not None
        await until(lambda: not node.leases.names())
        await node.directory.drain("one", is_draining=True)
        await leases.release("alice", "somebody", fence)
        await until(lambda: ready(two) == ["alice"])
        assert [turn.outcome for turn in one.account().turns] == ["stopped"]
        await stream.close()


async def test_a_bridge_that_runs_for_one_login_takes_no_account_of_the_nodes(
    chromium: Chromium, tmp_path: Path
) -> None:
    async with bridges(tmp_path, chromium, "alice") as nodes:
        owner = await nodes.start("owner", "alice")
        await until(lambda: ready(owner) == ["alice"])
        shared = owner.settings.cluster.model_copy(update={"node": "passing"})
        settings = for_one_login(settings_for(tmp_path / "passing", cluster=shared))
        settings = settings.model_copy(update={"profile_key_file": tmp_path / "profile.key"})
        assert not isinstance(owner.bridge.everywhere, Pool)
        control = owner.bridge.everywhere.control
        async with running(settings, browser=chromium, only_new=True):
            await until(lambda: [one.name for one in control.nodes()] == ["owner", "passing"])
            assert [one.capacity for one in control.nodes() if not one.is_own] == [0]
