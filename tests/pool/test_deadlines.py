"""A chat that cannot start in time is told so, and a key uses the accounts that it may and no others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from bridge.chat.caller import Caller
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import ChatRequest, Opened
from bridge.errors import Muted, NoAccount, PermissionDenied, PoolTimeout, UnknownConversation
from bridge.settings import ConversationSettings, PoolSettings
from bridge.telemetry import ChatEnded, WorkerState
from tests.pool.test_pool import ScriptedWorker, answer, ask, going_on, in_background, pool_of, queued, request
from tests.support.waiting import LIMIT

ONLY_A = Caller("one", "laptop", accounts=("a",))


def within(seconds: float, name: str = "urgent") -> ChatRequest:
    return replace(request(name), start_within=seconds)


async def test_a_deadline_that_passes_ends_the_wait_before_the_limit_of_the_queue() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with (
        pool_of(worker, settings=PoolSettings(min_interval=0, queue_limit=1000)) as (pool, facts),
        in_background(ask(pool, "first")),
    ):
        await facts.until(lambda: queued(facts, 1))
        with pytest.raises(PoolTimeout, match=r"within 0\.05 seconds"):
            await answer(pool, within(0.05))


@pytest.mark.parametrize(("is_brief", "result"), [(False, "queue_timeout"), (True, "cancelled")])
async def test_a_chat_that_another_node_takes_elsewhere_has_not_failed_here(*, is_brief: bool, result: str) -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with (
        pool_of(worker, settings=PoolSettings(min_interval=0, queue_limit=1000)) as (pool, facts),
        in_background(ask(pool, "first")),
    ):
        await facts.until(lambda: queued(facts, 1))
        with pytest.raises(PoolTimeout):
            await answer(pool, replace(within(0.05), is_brief=is_brief))
        assert [fact.result for fact in facts if isinstance(fact, ChatEnded)] == [result]


async def test_the_limit_of_the_queue_holds_for_a_later_deadline_too() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with (
        pool_of(worker, settings=PoolSettings(min_interval=0, queue_limit=0.05)) as (pool, facts),
        in_background(ask(pool, "first")),
    ):
        await facts.until(lambda: queued(facts, 1))
        with pytest.raises(PoolTimeout, match=r"within 0\.05 seconds"):
            await answer(pool, within(1000))


async def test_a_deadline_that_the_pace_of_the_accounts_cannot_keep_is_refused_at_once() -> None:
    async with pool_of(ScriptedWorker("a"), settings=PoolSettings(min_interval=500, queue_limit=1000)) as (pool, _):
        await ask(pool, "first")
        with pytest.raises(PoolTimeout, match="No account may send again within 100 seconds") as refused:
            await answer(pool, within(100))
        assert refused.value.retry_after is not None
        assert 400 < refused.value.retry_after <= 650
        assert not pool.queue.places()


async def test_a_deadline_before_any_account_is_back_is_refused_at_once() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [Muted("Muted.", retry_after=600, sent=True)]
    async with pool_of(worker, settings=PoolSettings(min_interval=0, queue_limit=1000)) as (pool, facts):
        with pytest.raises(Muted):
            await ask(pool, "first")
        await facts.state("a", WorkerState.MUTED)
        with pytest.raises(NoAccount, match="a is muted"):
            await answer(pool, within(100))


async def test_a_free_account_takes_a_chat_with_any_deadline_and_its_place_is_none() -> None:
    worker = ScriptedWorker("a")
    worker.opened_as = Opened("c", "1")
    async with pool_of(worker) as (pool, _):
        events = [event async for event in pool.chat(within(0.001))]
        assert isinstance(events[0], Opened)
        assert events[0].place == 0


async def test_the_place_at_which_a_chat_came_is_told_with_its_answer() -> None:
    worker = ScriptedWorker("a")
    worker.hold, worker.opened_as = asyncio.Event(), Opened("c", "1")
    async with pool_of(worker) as (pool, facts):

        async def place(name: str) -> int | None:
            found = [event async for event in pool.chat(request(name)) if isinstance(event, Opened)]
            return found[0].place

        asked = []
        for number in range(1, 4):
            asked.append(asyncio.get_running_loop().create_task(place(str(number))))
            await facts.until(partial(queued, facts, number))
        assert pool.place_in_queue(request("3")) == 2
        worker.hold.set()
        assert await asyncio.gather(*asked) == [0, 1, 2]
        assert pool.place_in_queue(request("3")) is None


async def test_a_key_is_answered_by_the_accounts_that_it_may_use_and_its_limits_are_theirs() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=10)
    async with pool_of(first, second, settings=settings) as (pool, _):
        for number in range(4):
            assert await answer(pool, replace(request(str(number)), caller=ONLY_A)) == "a"
        left = pool.rate_limit(replace(request("more"), caller=ONLY_A))
        assert isinstance(left, RateLimit)
        assert (left.limit, left.remaining) == (10, 6)
        assert second.answered == []


async def test_a_key_without_any_account_is_refused_at_once_and_told_why() -> None:
    async with pool_of(ScriptedWorker("b")) as (pool, _):
        with pytest.raises(PermissionDenied, match="None of the accounts here is allowed to the key 'laptop'"):
            await answer(pool, replace(request("one"), caller=ONLY_A))


async def test_a_key_that_loses_the_account_of_its_conversation_is_told_so_where_it_names_that() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    first.opened_as = Opened("c", "1")
    settings = ConversationSettings()
    async with pool_of(first, second, conversations=settings) as (pool, _):
        await answer(pool, replace(request("one"), caller=ONLY_A))
        named = replace(request("two"), conversation="c@1")
        with pytest.raises(PermissionDenied, match="on an account that is no longer allowed to the key 'laptop'"):
            await answer(pool, replace(named, caller=replace(ONLY_A, accounts=("b",))))
        with pytest.raises(UnknownConversation):
            await answer(pool, replace(named, conversation="x@1", caller=ONLY_A))
        # Who sends the whole history loses nothing: another account begins with all of it.
        assert await answer(pool, replace(going_on("one", "a", "two"), caller=replace(ONLY_A, accounts=("b",)))) == "b"
        assert second.places == [None]
