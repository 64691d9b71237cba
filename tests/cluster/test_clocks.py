"""Clocks that are put forward and back while nodes run: a node's own, and Redis'."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bridge.cluster.cluster_clock import ClusterClock, elapsed
from bridge.cluster.held_leases import HeldLeases
from bridge.cluster.lease_store import MemoryLeases
from bridge.cluster.node_directory import NodeDirectory
from bridge.cluster.profile_sync import ProfileSync
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.shared_accounts import SharedAccounts
from bridge.durations import HOUR
from bridge.errors import RateLimited
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import WorkerState
from tests.support.browsers import free_port
from tests.support.cluster_http import endpoint_of, key_on
from tests.support.cluster_load import Load
from tests.support.cluster_nodes import IDENTITY, NAMES, Cluster, Node, Recorder, answer, profile_of
from tests.support.cluster_process import NodeProcess
from tests.support.commands import Home
from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import LIMIT, until
from tests.support.wall_clock import WallClock

LONG = 3.0
PACE = 0.03
CLIENTS = 8
JUMPS = (2 * HOUR, -3 * HOUR, 90.0, -90.0)
WRONG = "n1"


class Hands:
    """Clocks that the test sets by hand: what Redis tells, the node's steady clock, and its wall clock."""

    def __init__(self) -> None:
        self.redis, self.steady, self.wall = 1000.0, 50.0, 1000.0
        self.clock = ClusterClock(10.0, lambda: self.steady, lambda: self.wall)

    def pass_on(self, seconds: float) -> None:
        self.redis, self.steady, self.wall = self.redis + seconds, self.steady + seconds, self.wall + seconds

    def ask(self, takes: float = 0.0) -> None:
        asked = self.steady
        self.pass_on(takes)
        self.clock.note(self.redis, asked)


def test_the_time_of_redis_counts_whatever_the_wall_clock_shows() -> None:
    hands = Hands()
    hands.wall = 5000.0
    assert (hands.clock.now(), hands.clock.latest, hands.clock.ahead) == (5000.0, None, 0.0)
    hands.ask()
    hands.pass_on(3.0)
    assert (hands.clock.now(), hands.clock.ahead) == (1003.0, 4000.0)
    hands.wall -= 4000.0 + HOUR
    assert (hands.clock.now(), hands.clock.ahead) == (1003.0, -HOUR)
    hands.wall += HOUR + 1
    assert hands.clock.ahead == 0.0, "what is hardly anything is not told"


def test_a_redis_clock_that_is_put_forward_is_told_from_one_that_is_late() -> None:
    hands = Hands()
    hands.ask(takes=0.1)
    for takes in (0.0, 2.0, 0.2):
        hands.pass_on(100.0)
        hands.ask(takes)
        assert hands.clock.is_calm
        assert hands.clock.now() == pytest.approx(hands.redis, abs=0.2)
        assert hands.redis <= (hands.clock.latest or 0) <= hands.redis + 1.0 + 2.3
    hands.redis += 2.0
    assert hands.redis > (hands.clock.latest or 0), "beyond what is to be expected, so no account is taken"
    hands.ask()
    calm = [hands.clock.is_calm]
    assert hands.clock.now() == pytest.approx(hands.redis)
    hands.pass_on(10.0)
    assert [*calm, hands.clock.is_calm] == [False, True]
    hands.redis -= HOUR
    hands.ask(takes=5.0)
    assert hands.clock.is_calm, "leases that end too late have no two drivers"
    assert hands.clock.now() == pytest.approx(hands.redis, abs=2.6)


@asynccontextmanager
async def redis_with_clock(folder: Path) -> AsyncGenerator[tuple[RedisServer, WallClock]]:
    clock = await asyncio.to_thread(WallClock, folder)
    async with AsyncExitStack() as stack:
        with clock.worn():
            redis = await stack.enter_async_context(redis_server(folder))
        yield redis, clock


@pytest.mark.browser
async def test_a_lease_outlives_a_redis_clock_that_is_put_forward_and_ends_where_it_is_put_back(
    tmp_path: Path,
) -> None:
    async with redis_with_clock(tmp_path) as (redis, clock), redis.link() as link:
        seen = ClusterClock(LONG)
        directory, store = NodeDirectory(link, int(LONG * 1000), seen), RedisLeases(link, LONG, seen)
        fence = await taken(store, "one")
        await directory.nodes()
        clock.set(HOUR)
        assert await store.acquire("a", "two") is None, "Redis has dropped the lease, which its owner relies on"
        await directory.nodes()
        assert (await store.acquire("a", "two"), seen.is_calm) == (None, False)
        assert await store.renew("a", "one", fence)
        assert await taken(store, "two") > fence
        clock.set(-HOUR)
        begun = time.monotonic()

        async def is_taken() -> bool:
            await store.end_in_time(["a"])
            return await store.acquire("a", "three") is not None

        await until(is_taken)
        assert time.monotonic() - begun >= 2 * LONG, "the owner may renew meanwhile"


async def taken(store: RedisLeases, holder: str) -> int:
    """Return the fence of a lease, once it may be taken."""
    fences: list[int] = []

    async def take() -> bool:
        fence = await store.acquire("a", holder)
        fences.extend(() if fence is None else (fence,))
        return fence is not None

    await until(take)
    return fences[0]


@asynccontextmanager
async def under_load(
    folder: Path, redis: RedisServer, clock: WallClock | None = None
) -> AsyncGenerator[tuple[Load, Recorder, NodeDirectory]]:
    """Run three nodes under load, of which `WRONG` has that clock; see afterwards that nothing went wrong."""
    async with AsyncExitStack() as stack:
        recorder = Recorder()
        stack.callback(recorder.close)
        nodes = []
        for name in ("n0", WRONG, "n2"):
            said = {"folder": str(folder), "redis": redis.url, "lease": LONG, "identity": IDENTITY.export()}
            node = NodeProcess(free_port(), name=name, recorder=recorder.port, pace=PACE, **said)
            node.clock = clock if name == WRONG else None
            nodes.append(node)
            stack.push_async_callback(node.kill)
            await node.start(NAMES if name == "n0" else ())
        load = Load(nodes, 1)
        link = await stack.enter_async_context(redis.link(prefix="bridge"))
        directory = NodeDirectory(link, int(LONG * 1000))
        await until(lambda: {act.node for act in recorder.did("open")} == {node.name for node in nodes})
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            clients = [group.create_task(load.ask_for_ever(session)) for _ in range(CLIENTS)]
            yield load, recorder, directory
            for client in clients:
                client.cancel()
        assert load.faults() == []
        assert recorder.faults() == []


@pytest.mark.browser
async def test_a_node_whose_clock_jumps_goes_on_with_its_accounts_and_the_other_nodes_and_is_named(
    tmp_path: Path,
) -> None:
    clock = await asyncio.to_thread(WallClock, tmp_path)
    async with redis_server(tmp_path) as redis, under_load(tmp_path, redis, clock) as (load, recorder, directory):
        with load.failing(recorder) as failed:
            for jump in JUMPS:
                begun = len(load.ended)
                clock.set(jump)
                await until(partial(_is_ahead, directory, jump))
                await until(partial(_both_ways, load, recorder, begun))
            (tmp_path / "home").mkdir()
            with Home.at(tmp_path / "home") as home:
                status = await home.run("cluster", "status", BRIDGE_CLUSTER_URL=redis.url, COLUMNS="200")
            rows = {line.split()[0]: line for line in status.out.splitlines()}
            assert [name for name in rows if "clock" in rows[name]] == [WRONG]
            assert "its clock is 90 seconds behind that of Redis" in rows[WRONG]
            clock.set(0.0)
            await until(lambda: _is_ahead(directory, 0.0))
        assert failed == []


async def _is_ahead(directory: NodeDirectory, jump: float) -> bool:
    found = {info.node: info.clock_ahead for info in await directory.nodes()}
    others = {ahead for node, ahead in found.items() if node != WRONG}
    return others == {0.0} and found[WRONG] == pytest.approx(jump, abs=1.0)


def _both_ways(load: Load, recorder: Recorder, begun: int) -> bool:
    """Tell whether others have answered chats of the node, and it theirs, since so many had ended."""
    sent = {act.text: act.node for act in recorder.did("send")}
    whole = [ended for ended in load.ended[begun:] if ended.outcome.is_whole]
    ways = {(ended.asked.name == WRONG, sent[ended.prompt] == WRONG) for ended in whole}
    return {(True, False), (False, True)} <= ways


@pytest.mark.browser
async def test_a_redis_clock_that_jumps_gives_no_account_two_drivers_and_takeovers_go_on(tmp_path: Path) -> None:
    async with redis_with_clock(tmp_path) as (redis, clock), under_load(tmp_path, redis) as (load, recorder, _):
        for jump in (*JUMPS, 0.0):
            clock.set(jump)
            await load.recovered()
            assert recorder.faults() == []
        clock.set(-HOUR)
        killed = load.nodes[1]
        load.disturb(killed)
        last = {act.account: act.node for act in recorder.did("open")}
        held, before = {account for account, node in last.items() if node == killed.name}, time.monotonic()
        await killed.kill()
        await until(lambda: held <= {act.account for act in recorder.did("open") if act.at > before})
        await killed.start()
        await load.recovered()


@asynccontextmanager
async def an_hour_behind(folder: Path) -> AsyncGenerator[tuple[Cluster, Node]]:
    """Run a node that has the account `a`, and whose wall clock is an hour behind that of Redis."""
    async with redis_with_clock(folder) as (redis, clock), AsyncExitStack() as stack:
        clock.set(HOUR)
        cluster = Cluster(redis, folder, stack)
        stack.callback(cluster.recorder.close)
        one = await cluster.node("one", "a")
        await until(lambda: one.ready() == ["a"])
        yield cluster, one


@pytest.mark.browser
async def test_what_a_node_notes_is_in_the_time_of_the_cluster(tmp_path: Path) -> None:
    async with an_hour_behind(tmp_path) as (_, one):
        assert one.cluster.info().clock_ahead == pytest.approx(-HOUR, abs=2)
        await answer(one.everywhere, "1 words")
        (slot,) = one.pool.own()
        await until(lambda: slot.sends)
        assert slot.sends[-1] == pytest.approx(time.time() + HOUR, abs=LIMIT)
        shared = one.cluster._shared
        before = await shared.saved("a")
        assert before <= (time.time() + HOUR) * 1000 + 1000
        await asyncio.to_thread(one.store.save, profile_of("a"))
        await until(lambda: _is_later(one, before))
        before = await shared.saved("a")
        made_elsewhere = ProfileStore(one.store.folder, IDENTITY)  # as `bridge login` does in a process of its own
        await asyncio.to_thread(made_elsewhere.save, profile_of("a"))
        await until(lambda: _is_later(one, before))
        assert (await shared.saved("a")) / 1000 == pytest.approx(time.time() + HOUR, abs=LIMIT)


@pytest.mark.browser
@pytest.mark.parametrize("ahead", [30.0, -30.0])
async def test_a_login_is_told_in_the_time_of_the_cluster_whoever_saved_it(tmp_path: Path, ahead: float) -> None:
    clock = ClusterClock(LONG)
    clock.note(time.time() - ahead, elapsed())
    ours, theirs = ProfileStore(tmp_path, IDENTITY), ProfileStore(tmp_path, IDENTITY)
    ours.now = clock.now
    async with redis_server(tmp_path) as redis, redis.link() as link:
        shared = SharedAccounts(link)
        sync = ProfileSync(ours, shared, HeldLeases(MemoryLeases(LONG), "one", lambda _: None), clock)
        await sync.publish(())
        for store, name in ((ours, "a"), (theirs, "b")):  # the latter as `bridge login` in a process of its own
            before = clock.now()
            await asyncio.to_thread(store.save, profile_of(name))
            await sync.publish(())
            assert int(before * 1000) - 1 <= await shared.saved(name) <= clock.now() * 1000
            stored = await asyncio.to_thread(ours.load, name)
            assert before - 0.001 <= stored.saved.timestamp() <= clock.now(), (
                "whoever compares it finds it the later one"
            )


@pytest.mark.browser
async def test_an_account_rests_until_the_same_time_on_the_next_node(tmp_path: Path) -> None:
    async with an_hour_behind(tmp_path) as (cluster, one):
        (slot,) = one.pool.own()
        one.pool._supervisor.take_out(slot, RateLimited("Slow down.", retry_after=3000.0))
        rests = slot.until
        assert rests is not None
        assert rests.timestamp() == pytest.approx(time.time() + HOUR + 3000, abs=LIMIT)
        assert slot.back_in == pytest.approx(3000, abs=LIMIT)
        two = await cluster.node("two")
        await one.cluster.directory.drain("one", is_draining=True)
        await until(lambda: [slot.state for slot in two.pool.own()] == [WorkerState.RESTING])
        assert [slot.until for slot in two.pool.own()] == [rests]


@pytest.mark.browser
async def test_a_key_ends_by_the_time_of_the_cluster(tmp_path: Path) -> None:
    async with an_hour_behind(tmp_path) as (_, one), endpoint_of(one) as served:
        codes = []
        for minutes in (30, 90):
            ends = datetime.now(UTC) + timedelta(minutes=minutes)
            _, key = await key_on(served, expires=ends.isoformat(), name=f"for {minutes} minutes")
            codes.append((await served.ask(key, "1 words"))[0])
        assert codes == [401, 200]


async def _is_later(node: Node, before: int) -> bool:
    return await node.cluster._shared.saved("a") > before
