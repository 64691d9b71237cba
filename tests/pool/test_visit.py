"""A person in an account's page: the chats stay away meanwhile, and come back at once afterwards."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bridge.chat.operator_visit import Visit
from bridge.errors import AccountConflict, BrowserError, HumanNeeded, NoAccount, RateLimited, UnknownAccount
from bridge.pool.pool import Pool
from bridge.telemetry import WorkerState
from tests.pool.test_pool import Facts, ScriptedWorker, ask, pool_of
from tests.support.waiting import until


async def until_held(pool: Pool, facts: Facts, name: str, *, is_held: bool) -> None:
    await facts.until(lambda: {one.name: one.is_held for one in pool.accounts()}[name] is is_held)


async def test_a_held_account_takes_no_chats_and_others_get_them() -> None:
    async with pool_of(ScriptedWorker("a"), ScriptedWorker("b")) as (pool, facts):
        async with pool.hold("a"):
            assert [one.is_held for one in pool.accounts()] == [True, False]
            assert [await ask(pool, name) for name in "123"] == ["b", "b", "b"]
        await until_held(pool, facts, "a", is_held=False)
        assert {await ask(pool, name) for name in "45"} == {"a", "b"}


async def test_a_chat_that_only_a_held_account_could_answer_is_told_so() -> None:
    async with pool_of(ScriptedWorker("a")) as (pool, _), pool.hold("a"):
        assert pool.unready() is not None
        with pytest.raises(NoAccount, match="held by a person"):
            await ask(pool, "1")


async def test_a_person_waits_until_the_running_chat_has_ended_and_no_other_one_begins() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ask(pool, "1"))
        await worker.chatting.wait()
        entered = asyncio.Event()

        async def visit() -> None:
            async with pool.hold("a"):
                entered.set()

        visiting = tasks.create_task(visit())
        await until_held(pool, facts, "a", is_held=True)
        with pytest.raises(NoAccount):
            await ask(pool, "2")
        assert not entered.is_set()
        worker.hold.set()
        assert await running == "a"
        await visiting
        assert worker.answered == ["1"]


async def test_only_one_person_at_a_time_is_in_a_page() -> None:
    worker, other = ScriptedWorker("a"), ScriptedWorker("b")
    async with pool_of(worker, other) as (pool, _), pool.hold("a"), pool.hold("b"):
        with pytest.raises(AccountConflict, match="A person"):
            async with pool.hold("a"):
                pass
    with pytest.raises(UnknownAccount):
        async with pool_of(worker) as (pool, _), pool.hold("c"):
            pass


async def test_a_person_who_comes_just_after_another_has_left_gets_the_page() -> None:
    async with pool_of(ScriptedWorker("a")) as (pool, facts):
        async with pool.hold("a") as before:
            pass
        assert not before.ended.is_set()  # the page is on its way back
        async with pool.hold("a") as visit:
            assert before.ended.is_set()
            assert visit.began.is_set()
            await until_held(pool, facts, "a", is_held=True)
        await until_held(pool, facts, "a", is_held=False)
        assert await ask(pool, "1") == "a"


async def test_a_parked_account_is_opened_for_the_person_and_stays_parked_if_nothing_was_solved() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [HumanNeeded("Click here.")]
    async with pool_of(worker, ready=False) as (pool, facts):
        parked = await facts.state("a", WorkerState.CHALLENGED)
        async with pool.hold("a") as visit:
            assert worker.opens == 2
            assert [one.state for one in pool.accounts()] == [WorkerState.CHALLENGED]
        await until_held(pool, facts, "a", is_held=False)
        assert visit.wants_solving
        (account,) = pool.accounts()
        assert (account.state, account.until, account.reason) == (parked.state, parked.until, "Click here.")


async def test_a_challenge_that_is_solved_ends_the_visit_and_the_account_answers() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [HumanNeeded("Click here.")]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.CHALLENGED)
        async with pool.hold("a") as visit:
            visit.solve()
            await visit.ended.wait()
            await facts.state("a", WorkerState.READY)
            assert await ask(pool, "1") == "a"


async def test_a_chat_that_comes_between_the_end_of_a_challenge_and_the_open_page_waits_for_it() -> None:
    worker = OpensSlowly("a")
    worker.open_fails = [HumanNeeded("Click here.")]
    async with pool_of(worker, ready=False) as (pool, facts), asyncio.TaskGroup() as tasks:
        await facts.state("a", WorkerState.CHALLENGED)
        async with pool.hold("a") as visit:
            visit.solve()
            await visit.ended.wait()
        asked = tasks.create_task(ask(pool, "1"))
        await until(lambda: pool.queue.chats() or asked.done())
        worker.may_open.set()
        assert await asked == "a"


class OpensSlowly(ScriptedWorker):
    """A worker whose page takes its time after a visit."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.may_open = asyncio.Event()

    async def visited(self, visit: Visit) -> None:
        await super().visited(visit)
        await self.may_open.wait()


async def test_an_account_at_rest_stays_so_after_a_visit() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [RateLimited("Too fast.", until=datetime.now(UTC) + timedelta(hours=1))]
    async with pool_of(worker) as (pool, facts):
        with pytest.raises(RateLimited):
            await ask(pool, "1")
        async with pool.hold("a"):
            pass
        await until_held(pool, facts, "a", is_held=False)
        assert [one.state for one in pool.accounts()] == [WorkerState.RESTING]


async def test_what_stands_in_the_way_after_a_visit_parks_the_account() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, facts):
        async with pool.hold("a"):
            worker.open_fails = [HumanNeeded("Click here.")]
        await facts.state("a", WorkerState.CHALLENGED)
        assert not pool.accounts()[0].is_held


async def test_a_page_that_does_not_open_for_a_person_says_why() -> None:
    worker = ScriptedWorker("a")
    worker.visit_fails = BrowserError("No browser.")
    worker.open_fails = [HumanNeeded("Click here.")]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.CHALLENGED)
        with pytest.raises(BrowserError, match="No browser"):
            async with pool.hold("a"):
                pass
        assert worker.opens == 2
        assert not pool.accounts()[0].is_held
