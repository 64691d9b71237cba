"""`bridge cluster`, as processes of their own, on nodes that run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bridge.cluster.node_directory import NodeInfo
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from tests.support.cluster_nodes import Cluster, profile_of
from tests.support.commands import Home
from tests.support.waiting import until

pytestmark = pytest.mark.browser


async def test_nodes_and_leases_are_listed_and_a_node_is_drained(cluster: Cluster, tmp_path: Path) -> None:
    one, two = await cluster.node("one", "a", "b"), await cluster.node("two")
    await until(lambda: sorted(one.ready() + two.ready()) == ["a", "b"])
    hostile = NodeInfo("\x1b[31mred", "1", "", 1)
    await one.cluster.directory.announce(hostile)
    (tmp_path / "home").mkdir()
    with Home.at(tmp_path / "home") as home:
        reached = {"BRIDGE_CLUSTER_URL": cluster.redis.url}
        drained = await home.run("cluster", "drain", "one", **reached)
        assert drained.out.startswith("The node one gives back its accounts")
        await until(lambda: two.ready() == ["a", "b"] and two.cluster.info().accounts)
        status = await home.run("cluster", "status", **reached)
        rows = {line.split()[0]: line for line in status.out.splitlines()}
        assert ("draining" in rows["one"], "draining" in rows["two"], "\x1b" in status.out) == (True, False, False)
        leases = await home.run("cluster", "leases", **reached)
        assert [line.split()[:2] for line in leases.out.splitlines()[1:]] == [["a", "two"], ["b", "two"]]
        assert (await home.run("cluster", "drain", "one", "--undo", **reached)).code == 0
        unknown = await home.run("cluster", "drain", "three", **reached)
        assert (unknown.code, "There is no node 'three'" in unknown.err) == (1, True)
        await until(lambda: not one.cluster.is_draining)


async def test_without_a_cluster_the_commands_say_so(tmp_path: Path) -> None:
    with Home.at(tmp_path) as home:
        status = await home.run("cluster", "status")
        assert (status.code, status.err.strip()) == (1, "Error: There is no cluster: the setting cluster.url is empty.")


async def test_commands_leave_accounts_to_the_nodes_and_say_so(tmp_path: Path) -> None:
    shared = {"BRIDGE_CLUSTER_URL": "redis://127.0.0.1:9"}
    with Home.at(tmp_path) as home:
        for command in (("debug", "a", "--headless"), ("sites", "heal", "deepseek")):
            refused = await home.run(*command, **shared)
            assert (refused.code, "The nodes of the cluster drive the accounts" in refused.err) == (1, True)
        store = ProfileStore(home.settings.profiles, await asyncio.to_thread(load_identity, home.settings.key_source))
        await asyncio.to_thread(store.save, profile_of("a"))
        checked = await home.run("doctor", "--site", "--send", **shared)
        assert re.findall(r"^ok +(\w+)", checked.out, re.MULTILINE) == ["browser", "pages"], checked.out
        removed = await home.run("profiles", "remove", "a", "--yes", **shared)
        assert (removed.code, "`bridge accounts remove a` ends the account on all nodes" in removed.out) == (0, True)
