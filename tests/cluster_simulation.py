"""Many accounts on many nodes, without browsers: real leases and placement on a real Redis.

`python -m tests.cluster_simulation` prints how long accounts take to be placed and placed anew, in lengths of a lease,
how evenly they lie, and how many calls they make to Redis. All nodes share this process, so the lease is long.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from loguru import logger

from bridge.cluster.held_leases import HeldLeases
from bridge.cluster.node_directory import NodeDirectory, NodeInfo
from bridge.cluster.placement import misplaced, ranking, targets, wait_of
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import RedisLink, connect
from bridge.settings import ClusterSettings
from tests.support.redis_server import RedisServer, redis_server

STEPS = 8
LIMIT = 600.0
LEASE = ClusterSettings().lease


class SimulatedNode:
    """A node that takes and gives accounts as `ClusterNode` does, and opens nothing."""

    def __init__(self, name: str, link: RedisLink, seconds: float, capacity: int, accounts: Collection[str]) -> None:
        self.info = NodeInfo(name, "1", "", capacity)
        self.is_dead = False
        self._seconds, self._accounts = seconds, accounts
        self._store = RedisLeases(link, seconds)
        self._directory = NodeDirectory(link, int(seconds * 1000))
        self.leases = HeldLeases(self._store, self.info.id, lambda _: None)
        self._free_since: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self.leases.start()
        self._task = asyncio.get_running_loop().create_task(self._step_for_ever())

    async def die(self) -> None:
        """End without a word, as a node whose machine is switched off."""
        self.is_dead = True
        if self._task is not None:
            self._task.cancel()
        await self.leases._tasks.close()

    def _said(self) -> NodeInfo:
        accounts = [{"name": name, "state": "ready", "site": "deepseek", "fence": 1} for name in self.leases.names()]
        return NodeInfo(self.info.node, "1", "", self.info.capacity, accounts=accounts)

    async def _step_for_ever(self) -> None:
        while True:
            begun = time.monotonic()
            await self._step(begun)
            await asyncio.sleep(max(self._seconds / STEPS - (time.monotonic() - begun), 0.01))

    async def _step(self, now: float) -> None:
        nodes = await self._directory.announce(self._said())
        places = [node.place for node in nodes]
        elsewhere = {str(one["name"]) for node in nodes for one in node.accounts}
        free = set(self._accounts) - elsewhere - set(self.leases.names())
        free -= (await self._store.holders(free)).keys()
        self._free_since = {name: self._free_since.get(name, now) for name in free}
        wanted = targets(self._accounts, places)
        for name in sorted(free):
            wait = wait_of(self.info.node, ranking(name, wanted.get(name), places))
            if wait is not None and now - self._free_since[name] >= wait * self._seconds / STEPS:
                await self.leases.acquire(name)
                places = [place for place in places if place.node != self.info.node] + [self._said().place]
        for name in misplaced(self._said().place, targets(self._accounts, places), places)[:2]:
            await self.leases.release(name)


class Simulation:
    """The nodes, and what is measured of them."""

    def __init__(self, redis: RedisServer, accounts: Sequence[str], seconds: float, stack: AsyncExitStack) -> None:
        self._redis, self._accounts, self._seconds, self._stack = redis, accounts, seconds, stack
        self.nodes: list[SimulatedNode] = []

    def join(self, number: int, capacity: int) -> None:
        """Start so many nodes more."""
        for _ in range(number):
            link = connect(self._redis.url, "sim", self._seconds / 4)
            self._stack.push_async_callback(link.close)
            node = SimulatedNode(f"node{len(self.nodes)}", link, self._seconds, capacity, self._accounts)
            self._stack.push_async_callback(node.die)
            self.nodes.append(node)
            node.start()

    def alive(self) -> list[SimulatedNode]:
        return [node for node in self.nodes if not node.is_dead]

    def held(self) -> dict[str, str]:
        return {name: node.info.node for node in self.alive() for name in node.leases.names()}

    async def until(self, holds: Callable[[], bool]) -> float:
        """Return how many leases passed until it held."""
        begun = time.monotonic()
        async with asyncio.timeout(LIMIT):
            while not holds():
                await asyncio.sleep(0.05)
        return (time.monotonic() - begun) / self._seconds

    async def placed(self) -> float:
        return await self.until(lambda: len(self.held()) == len(self._accounts))

    async def settled(self) -> None:
        """Return when no account has moved for two leases."""
        before = self.held()
        while True:
            await asyncio.sleep(2 * self._seconds)
            if (now := self.held()) == before:
                return
            before = now

    async def load(self) -> tuple[int, float]:
        """Return how many commands Redis has run, those in scripts too, and the seconds of processor time it took."""
        async with self._redis.link() as link:
            stats, cpu = await link._client.info("stats"), await link._client.info("cpu")
            return int(stats["total_commands_processed"]), cpu["used_cpu_user"] + cpu["used_cpu_sys"]


async def main(accounts: int, nodes: int, seconds: float) -> None:
    """Simulate, and print."""
    logger.remove()
    names = [f"account{number}" for number in range(accounts)]
    capacity = 2 * accounts // nodes
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        redis = await stack.enter_async_context(redis_server(folder))
        sim = Simulation(redis, names, seconds, stack)
        sim.join(nodes, capacity)
        print(f"{accounts} accounts on {nodes} nodes, a lease of {seconds:g} s")
        print(f"all placed after {await sim.placed():.2f} leases, the first of which nobody may take any")
        await sim.settled()
        counts = Counter(sim.held().values())
        spread = [counts[node.info.node] for node in sim.nodes]
        deviation = statistics.pstdev(spread)
        print(
            f"a node has {min(spread)} to {max(spread)} accounts, mean {accounts / nodes:g}, deviation {deviation:.1f}"
        )
        before, begun = await sim.load(), time.monotonic()
        await asyncio.sleep(2 * seconds)
        after, leases = await sim.load(), (time.monotonic() - begun) / seconds
        a_lease, busy = (after[0] - before[0]) / leases, (after[1] - before[1]) / leases
        print(f"Redis: {a_lease / accounts:.1f} commands an account and lease; with leases of {LEASE:g} s")
        print(f"       {a_lease / LEASE:.0f} a second, and {busy / LEASE:.1%} of one core")
        for deaths in (1, max(nodes // 5, 1)):
            held = sim.held()
            for node in sim.alive()[:deaths]:
                await node.die()
            moved = await sim.placed()
            kept = sum(sim.held()[name] == node for name, node in held.items())
            print(
                f"{deaths} nodes die: all placed anew after {moved:.2f} leases; {kept} accounts stayed where they were"
            )
            await sim.settled()
        held = sim.held()
        sim.join(1, capacity)
        await sim.settled()
        moved_to = Counter(node for name, node in sim.held().items() if held.get(name) != node)
        print(
            f"a node joins: {sum(moved_to.values())} accounts move, {moved_to[sim.nodes[-1].info.node]} of them to it"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--lease", type=float, default=16.0)
    given = parser.parse_args()
    asyncio.run(main(given.accounts, given.nodes, given.lease))
