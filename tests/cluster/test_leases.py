"""Leases: one holder at a time, fences that grow, and a holder that stops by its own clock; in memory and in Redis."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.cluster.held_leases import HeldLease, HeldLeases
from bridge.cluster.lease_store import HeldBy, LeaseStore, MemoryLeases
from bridge.cluster.redis_leases import RedisLeases
from bridge.cluster.redis_link import connect
from bridge.errors import ClusterUnavailable, LeaseLost, SetupError
from tests.support.redis_server import redis_server
from tests.support.waiting import LIMIT, until

SHORT, LONG = 0.3, 30.0
"""Seconds of a lease that shall end within a test, and of one that shall not."""


@asynccontextmanager
async def stored(kind: str, folder: Path, seconds: float) -> AsyncGenerator[LeaseStore]:
    if kind == "memory":
        yield MemoryLeases(seconds)
        return
    async with redis_server(folder) as server, server.link() as link:
        yield RedisLeases(link, seconds)


KINDS = pytest.mark.parametrize("kind", ["memory", pytest.param("redis", marks=pytest.mark.browser)])


async def taken(store: LeaseStore, account: str, holder: str) -> int:
    """Return the fence of a lease, once the account may be taken."""
    fences: list[int] = []

    async def take() -> bool:
        fence = await store.acquire(account, holder)
        fences.extend(() if fence is None else (fence,))
        return fence is not None

    await until(take)
    return fences[0]


@KINDS
async def test_one_holder_has_an_account_at_a_time_under_a_fence_that_grows(kind: str, tmp_path: Path) -> None:
    async with stored(kind, tmp_path, SHORT) as store:
        assert await store.acquire("a", "one") is None, "an account that the store does not know is left alone first"
        fences = []
        for holder in ("one", "two", "three"):
            fences.append(await taken(store, "a", holder))
            assert await store.acquire("a", "another") is None
            assert await store.holders(["a", "b"]) == {"a": HeldBy(holder, fences[-1])}
            assert await store.release("a", holder, fences[-1])
        assert fences == sorted(set(fences))
        assert fences[0] > (time.time() - 3600) * 1000, "it grows also where the store has lost its data"
        assert await store.holders(["a"]) == {}


@pytest.mark.slow
@KINDS
async def test_a_lease_that_is_not_renewed_ends_for_its_holder(kind: str, tmp_path: Path) -> None:
    async with stored(kind, tmp_path, SHORT) as store:
        first = await taken(store, "a", "one")
        second = await taken(store, "a", "two")
        assert second > first
        assert not await store.renew("a", "one", first)
        assert not await store.release("a", "one", first)
        assert not await store.release("a", "two", first)
        assert await store.renew("a", "two", second)


@KINDS
async def test_who_asks_again_for_what_it_has_gets_the_same_lease(kind: str, tmp_path: Path) -> None:
    """The answer to the first call may have been lost on the way."""
    async with stored(kind, tmp_path, SHORT) as store:
        fence = await taken(store, "a", "one")
        assert await store.acquire("a", "one") == fence
        assert await store.acquire("a", "on") is None, "part of a name is another one"


@pytest.mark.slow
async def test_a_store_without_its_data_gives_the_account_to_its_owner_alone() -> None:
    store = MemoryLeases(SHORT)
    fence = await taken(store, "a", "one")
    store.forget_everything()
    assert await store.acquire("a", "two") is None
    assert await store.renew("a", "one", fence)
    assert await store.acquire("a", "two") is None
    assert await taken(store, "a", "two") > fence


@pytest.mark.browser
@pytest.mark.parametrize("persists", [False, True], ids=["empty", "with its data"])
async def test_a_redis_that_was_started_anew_gives_the_account_to_nobody_else_for_a_lease(
    tmp_path: Path, *, persists: bool
) -> None:
    async with redis_server(tmp_path, persists=persists) as server, server.link() as link:
        store = RedisLeases(link, 1.0)
        fence = await taken(store, "a", "one")
        await server.kill()
        with pytest.raises(ClusterUnavailable):
            await store.renew("a", "one", fence)
        await server.start()
        assert await store.acquire("b", "two") is None
        assert await store.acquire("a", "two") is None
        assert await store.renew("a", "one", fence)
        begun = time.monotonic()
        assert await taken(store, "a", "two") > fence
        assert time.monotonic() - begun > 0.9, "the whole of the renewed lease"


@pytest.mark.browser
@pytest.mark.parametrize("persists", [False, True], ids=["empty", "with its data"])
async def test_an_account_that_was_renewed_since_redis_was_started_anew_goes_from_node_to_node_at_once(
    tmp_path: Path, *, persists: bool
) -> None:
    async with redis_server(tmp_path, persists=persists) as server, server.link() as link:
        store = RedisLeases(link, 1.0)
        fence = await taken(store, "a", "one")
        await server.kill()
        await server.start()
        begun = time.monotonic()
        while time.monotonic() - begun < 1.2:
            assert await store.renew("a", "one", fence)
            await asyncio.sleep(0.1)
        assert await store.release("a", "one", fence)
        assert await store.acquire("a", "two") is not None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def holding(
    store: LeaseStore, holder: str, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[tuple[HeldLeases, list[str]]]:
    lost: list[str] = []
    leases = HeldLeases(store, holder, lambda lease: lost.append(lease.account), clock)
    leases.start()
    try:
        yield leases, lost
    finally:
        await leases.close()


async def held(leases: HeldLeases, account: str) -> HeldLease:
    async def take() -> bool:
        return leases.of(account) is not None or await leases.acquire(account) is not None

    await until(take)
    lease = leases.of(account)
    assert lease is not None
    return lease


@KINDS
@pytest.mark.slow
async def test_a_holder_keeps_its_lease_as_long_as_it_runs(kind: str, tmp_path: Path) -> None:
    async with stored(kind, tmp_path, 1.0) as store, holding(store, "one") as (leases, lost):
        lease = await held(leases, "a")
        begun = lease.deadline
        await until(lambda: lease.deadline > begun + 1.5)
        lease.check()
        assert (await store.acquire("a", "two"), leases.names(), lost) == (None, ["a"], [])
    assert await store_is_free(store, kind), "it is given back at the end"


async def store_is_free(store: LeaseStore, kind: str) -> bool:
    return kind == "redis" or await store.acquire("a", "two") is not None


async def test_a_holder_whose_clock_has_passed_the_deadline_does_nothing_whatever_the_store_says() -> None:
    store, clock = MemoryLeases(LONG, clock=lambda: 1000.0), Clock()
    await store.acquire("a", "one")
    store._clock = lambda: 2000.0
    leases = HeldLeases(store, "one", lambda lease: None, clock)
    lease = await leases.acquire("a")
    assert lease is not None
    clock.now = 0.79 * LONG
    lease.check()
    clock.now = 0.81 * LONG
    with pytest.raises(LeaseLost):
        lease.check()
    await leases.renew_now()
    with pytest.raises(LeaseLost):  # it is too late to renew: what was open is being closed
        lease.check()
    assert leases.of("a") is None


async def test_who_asks_twice_at_once_has_one_lease_which_is_renewed() -> None:
    clock = Clock()
    store = MemoryLeases(LONG, clock=lambda: 1000.0)
    await store.acquire("a", "one")
    store._clock = lambda: 2000.0
    leases = HeldLeases(store, "one", lambda _: None, clock)
    one, two = await asyncio.gather(leases.acquire("a"), leases.acquire("a"))
    clock.now = 0.5 * LONG
    await leases.renew_now()
    clock.now = LONG
    for lease in (one, two):
        assert lease is not None
        lease.check()


async def test_what_was_given_back_counts_no_more() -> None:
    store = MemoryLeases(SHORT)
    async with holding(store, "one") as (leases, lost):
        lease = await held(leases, "a")
        await leases.release("a")
        with pytest.raises(LeaseLost):
            lease.check()
        assert lost == []
        assert await taken(store, "a", "two") > lease.fence


async def test_a_lease_that_somebody_else_has_is_lost_at_the_next_renewal() -> None:
    store = MemoryLeases(LONG, clock=(clock := Clock()))
    await store.acquire("a", "one")
    clock.now = LONG
    async with holding(store, "one") as (leases, lost):
        lease = await held(leases, "a")
        clock.now = 3 * LONG
        assert await store.acquire("a", "two") is not None
        await leases.renew_now()
        assert lost == ["a"]
        with pytest.raises(LeaseLost):
            lease.check()


@pytest.mark.browser
async def test_a_holder_that_redis_does_not_answer_stops_before_another_one_can_begin(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, server.link(0.25) as link:
        store = RedisLeases(link, 1.0)
        async with holding(store, "one") as (leases, lost):
            lease = await held(leases, "a")
            server.signal(signal.SIGSTOP)
            async with asyncio.timeout(LIMIT):
                await until(lambda: lost == ["a"])
            with pytest.raises(LeaseLost):
                lease.check()
            server.signal(signal.SIGCONT)
            assert await taken(store, "a", "two") > lease.fence


@pytest.mark.parametrize("url", ["http://x", "redis+sentinel://x:1", "redis+nothing://x", "redis://x:port"])
async def test_an_address_that_is_none_of_redis_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match=r"cluster\.url is not an address"):
        connect(url, "x", 1.0)


@pytest.mark.parametrize(
    "url",
    ["rediss://user:word@x:1/2", "unix:///run/x", "redis+sentinel://:word@x,y:2/main/1", "rediss+cluster://x:1,y"],
)
async def test_addresses_of_every_kind_are_taken(url: str) -> None:
    await connect(url, "x", 1.0).close()


@pytest.mark.browser
async def test_who_is_cancelled_while_redis_is_asked_ends(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server, server.link() as link:
        asked = asyncio.Event()

        async def ask_for_ever() -> None:
            while True:
                asked.set()
                await link.get("x")

        for _ in range(20):
            asking = asyncio.get_running_loop().create_task(ask_for_ever())
            await asked.wait()
            asked.clear()
            asking.cancel()
            async with asyncio.timeout(LIMIT):
                await asyncio.wait({asking})
            assert asking.cancelled()
