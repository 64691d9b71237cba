"""`bridge cluster`, as processes of their own, on nodes that run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cluster.node_directory import NodeInfo
from tests.support.cluster_nodes import Cluster
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
