"""Keys take turns in the queue: told by counts and orders, with workers that open no browser."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from bridge.chat.caller import Caller
from bridge.chat.types import ChatRequest
from bridge.errors import PoolFull, PoolTimeout
from bridge.pool.fair_order import FairOrder
from bridge.pool.lease import Lease
from bridge.pool.pool import Pool
from bridge.settings import PoolSettings
from tests.pool.test_pool import ScriptedWorker, answer, in_background, pool_of, queued, request
from tests.support.waiting import LIMIT

GREEDY, MODEST = Caller("greedy", "greedy"), Caller("modest", "modest")


def asked_by(caller: Caller, name: str) -> ChatRequest:
    return replace(request(name), caller=caller)


@asynccontextmanager
async def waiting_behind(
    worker: ScriptedWorker, chats: Sequence[ChatRequest], settings: PoolSettings | None = None
) -> AsyncIterator[tuple[Pool, list[asyncio.Task[str]]]]:
    """Run a pool of one account that has a chat already, and in whose queue these chats wait."""
    settings = settings or PoolSettings(min_interval=0, queue_limit=LIMIT)
    worker.hold = asyncio.Event()
    async with pool_of(worker, settings=settings) as (pool, facts), asyncio.TaskGroup() as group:
        first = group.create_task(answer(pool, request("first")))
        await facts.until(lambda: queued(facts, 1))
        tasks = [first]
        for number, chat in enumerate(chats, 2):
            tasks.append(group.create_task(answer(pool, chat)))
            await facts.until(partial(queued, facts, number))
        yield pool, tasks
        worker.hold.set()


async def order_of(chats: Sequence[ChatRequest]) -> list[str]:
    worker = ScriptedWorker("a")
    async with waiting_behind(worker, chats):
        pass
    return worker.answered[1:]


async def test_a_key_with_one_chat_does_not_wait_behind_the_twenty_of_another() -> None:
    chats = [asked_by(GREEDY, f"greedy {number:02}") for number in range(20)]
    answered = await order_of([*chats, asked_by(MODEST, "modest")])
    assert answered[:2] in (["greedy 00", "modest"], ["modest", "greedy 00"])
    assert [name for name in answered if name != "modest"] == [chat.id for chat in chats]


async def test_keys_take_turns_and_each_ones_chats_come_in_the_order_of_their_arrival() -> None:
    chats = [asked_by(Caller(key), f"{key}{number}") for key in "abc" for number in range(4)]
    answered = await order_of(chats)
    rounds = [answered[start : start + 3] for start in range(0, 12, 3)]
    assert [sorted(one) for one in rounds] == [[f"{key}{number}" for key in "abc"] for number in range(4)]


async def test_a_key_gets_turns_in_proportion_to_its_share() -> None:
    double = Caller("double", share=2)
    chats = [asked_by(caller, f"{caller.id} {number}") for caller in (GREEDY, double) for number in range(12)]
    first = Counter(name.partition(" ")[0] for name in (await order_of(chats))[:9])
    assert first == {"double": 6, "greedy": 3}


def test_turns_that_a_key_had_no_use_for_are_not_saved_up() -> None:
    order = FairOrder()
    for _ in range(100):
        order.granted(GREEDY)
    waiting = [Lease((), (), str(number), caller) for number in range(6) for caller in (GREEDY, MODEST)]
    assert Counter(lease.caller.id for lease in order.planned(waiting)[:6]) == {"greedy": 3, "modest": 3}


def test_chats_that_leave_the_queue_cost_their_key_no_turn() -> None:
    order = FairOrder()
    waiting = [Lease((), (), str(number), caller) for caller in (GREEDY, MODEST) for number in range(3)]
    for lease in order.turns(waiting):  # none of them can be given an account
        assert lease in waiting
    assert [lease.caller.id for lease in order.planned(waiting)] == ["greedy", "modest"] * 3


def test_no_key_is_remembered_for_ever() -> None:
    order = FairOrder()
    for number in range(1000):
        order.granted(Caller(str(number)))
    assert len(order._passes) <= 1000
    for _ in range(3):
        order.granted(GREEDY)
    assert order._passes.keys() == {"greedy"}


async def test_a_full_queue_makes_room_for_a_key_with_less_than_its_share() -> None:
    worker, settings = ScriptedWorker("a"), PoolSettings(min_interval=0, queue_limit=LIMIT, queue_size=4)
    worker.hold = asyncio.Event()
    async with pool_of(worker, settings=settings) as (pool, facts):
        chats = [asked_by(GREEDY, f"greedy {number}") for number in range(6)]
        coming = asyncio.gather(*(answer(pool, chat) for chat in chats), return_exceptions=True)
        await facts.until(lambda: queued(facts, 6))
        modest = asyncio.gather(answer(pool, asked_by(MODEST, "modest")))
        await facts.until(lambda: queued(facts, 7))
        worker.hold.set()
        results = [*await coming, *await modest]
    # The sixth did not fit into the queue, and the fifth made room for the other key.
    assert [isinstance(result, PoolFull) for result in results] == [False] * 4 + [True, True, False]
    assert worker.answered.index("modest") < 3


async def test_a_key_has_no_more_chats_at_a_time_than_it_may_and_the_others_do_not_wait_for_it() -> None:
    workers = [ScriptedWorker(name) for name in "abc"]
    for worker in workers:
        worker.hold = asyncio.Event()
    single = Caller("single", "single", parallel=1)
    async with pool_of(*workers) as (pool, facts):
        chats = [asked_by(single, "one"), asked_by(single, "two"), asked_by(MODEST, "other")]
        async with in_background(*(answer(pool, chat) for chat in chats)) as tasks:
            await facts.until(lambda: queued(facts, 3))
            assert {name for worker in workers for name in worker.answered} == {"one", "other"}
            assert pool.queue.places() == {"two": 1}
            for worker in workers:
                assert worker.hold is not None
                worker.hold.set()
            await asyncio.gather(*tasks)


async def test_who_waits_in_vain_for_a_turn_of_its_own_key_is_told_of_that_limit() -> None:
    workers = [ScriptedWorker(name) for name in "ab"]
    for worker in workers:
        worker.hold = asyncio.Event()
    single = Caller("single", "build server", parallel=1)
    told = "the key 'build server' may have 1 chats at a time, and all of them are running"
    async with (
        pool_of(*workers, settings=PoolSettings(min_interval=0, queue_limit=0.05)) as (pool, facts),
        in_background(answer(pool, asked_by(single, "one"))),
    ):
        await facts.until(lambda: queued(facts, 1))
        with pytest.raises(PoolTimeout, match=told):
            await answer(pool, asked_by(single, "two"))


async def test_the_places_in_the_queue_are_those_in_which_the_chats_will_get_their_accounts() -> None:
    worker = ScriptedWorker("a")
    chats = [asked_by(GREEDY, "g1"), asked_by(GREEDY, "g2"), asked_by(MODEST, "m1")]
    async with waiting_behind(worker, chats) as (pool, _):
        places = pool.queue.places()
    assert worker.answered[1:] == sorted(places, key=lambda name: places[name])
