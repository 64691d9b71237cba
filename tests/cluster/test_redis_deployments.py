"""Nodes on a Redis behind Sentinel, and on a Redis Cluster: the same as on one server, and they outlive a failover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.chat.caller import Caller
from bridge.chat.types import ChatRequest, Message, Model
from bridge.cluster.redis_link import connect
from bridge.errors import ClusterUnavailable
from bridge.storage.api_keys import KeyStore
from tests.support.browsers import free_port
from tests.support.certificates import self_signed
from tests.support.cluster_nodes import IDENTITY, NAMES, Node, Recorder, answer, chat, node_of, settings_of
from tests.support.redis_deployments import behind_sentinel, redis_cluster
from tests.support.redis_server import redis_server
from tests.support.waiting import LIMIT, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LEASE = 2.0


@dataclass
class Nodes:
    """Two nodes, the first of which has brought the accounts."""

    one: Node
    two: Node
    recorder: Recorder

    def both_have_some(self) -> bool:
        return bool(self.one.ready() and self.two.ready()) and sorted(self.one.ready() + self.two.ready()) == NAMES


@asynccontextmanager
async def two_nodes(folder: Path, url: str) -> AsyncGenerator[Nodes]:
    """Run them, and see afterwards that no account had two drivers, and no prompt was sent twice."""
    recorder = Recorder()
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                node_of(settings_of(folder, url, name, LEASE), IDENTITY, recorder.port, *accounts)
            )
            for name, accounts in (("one", NAMES), ("two", []))
        ]
        found = Nodes(nodes[0], nodes[1], recorder)
        await until(found.both_have_some)
        yield found
    faults = recorder.faults()
    recorder.close()
    assert faults == []


async def all_works(nodes: Nodes) -> None:
    """See that accounts, chats, conversations, limits, keys and moves are shared."""
    one, two = nodes.one, nodes.two
    limited = Caller("key", accounts=NAMES[:1], parallel=1)
    texts = [f"2 words {number}" for number in range(3)]
    answers = await asyncio.gather(*(answer(two.everywhere, chat(text, caller=limited)) for text in texts))
    assert answers == 3 * [f"{NAMES[0]}0 {NAMES[0]}1 "]
    for name in NAMES:
        assert await answer(one.everywhere, chat(f"1 word {name}", caller=Caller("key", accounts=(name,))))
    asked = (Message("user", f"1 word {NAMES[1]}"), Message("assistant", f"{NAMES[1]}0 "), Message("user", "2 words"))
    request = ChatRequest("again", Model("deepseek-chat"), asked)
    for node in (one, two):

        async def is_known(node: Node = node) -> bool:
            place = await node.pool.conversations.find(request, NAMES)
            return place is not None and place.account == NAMES[1]

        await until(is_known)
    key, _ = await asyncio.to_thread(KeyStore(one.settings.config).add, "ci", "chat")
    await until(lambda: [found.id for found in KeyStore(two.settings.config).all() if found.created] == [key.id])
    await one.cluster.directory.drain("two", is_draining=True)
    await until(lambda: one.ready() == NAMES and two.held() == [])
    await one.cluster.directory.drain("two", is_draining=False)
    await until(nodes.both_have_some)


async def test_nodes_reach_a_redis_by_tls_where_its_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, port = await self_signed(tmp_path), free_port()
    files = ("--tls-cert-file", str(made.certificate), "--tls-key-file", str(made.key))
    async with redis_server(tmp_path, "--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        url = f"rediss://127.0.0.1:{port}"
        link = connect(url, "test", LIMIT)
        with pytest.raises(ClusterUnavailable):
            await link.get("anything")
        await link.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        async with two_nodes(tmp_path, url) as nodes:
            assert await answer(nodes.two.everywhere, "1 word by TLS")


async def test_nodes_share_a_redis_cluster_as_they_share_one_server(tmp_path: Path) -> None:
    async with redis_cluster(tmp_path) as (url, servers), two_nodes(tmp_path, url) as nodes:
        await all_works(nodes)
        used = 0
        for server in servers:
            async with server.link() as link:
                used += bool(await link._client.dbsize())
        assert used == len(servers), "the accounts lie on all servers"


async def test_nodes_outlive_a_failover_by_sentinel(tmp_path: Path) -> None:
    async with behind_sentinel(tmp_path) as (url, master), two_nodes(tmp_path, url) as nodes:
        await all_works(nodes)
        await master.kill()

        async def is_back() -> bool:
            try:
                return bool(await nodes.two.cluster.directory.nodes())
            except ClusterUnavailable:
                return False

        await until(is_back)
        await until(nodes.both_have_some)
        assert await answer(nodes.two.everywhere, "1 word after it")
        await nodes.one.cluster.directory.drain("one", is_draining=True)
        await until(lambda: nodes.two.ready() == NAMES)
