"""Idle accounts sleep, and wake when they are needed; no more are open than may be, and nobody loses a chat by it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.chat.operator_visit import Visit
from bridge.chat.types import Opened
from bridge.durations import DAY, HOUR, MINUTE
from bridge.errors import AccountConflict, LoginRequired, NoAccount
from bridge.pool.pool import Pool
from bridge.settings import PoolSettings, SleepSettings, TurnSettings
from bridge.storage.conversation_file import ConversationPosition
from bridge.telemetry import WorkerChanged, WorkerState
from tests.pool.test_pool import QUICK, Facts, ScriptedWorker, ask, going_on, in_background, pool_of, start
from tests.support.waiting import LIMIT, until

TWO_OPEN = SleepSettings(max_open=2)
AFTER_AN_HOUR = SleepSettings(after=HOUR, refresh_hours=0)


class Clock:
    """The time that idle accounts see; it goes on as the real one, and at once by what is added to `passed`."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed


class CountedWorker(ScriptedWorker):
    """A worker that counts, with the others of its test, how many are open."""

    def __init__(self, name: str, open_now: list[str]) -> None:
        super().__init__(name)
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.most = 0
        self.open_now = open_now

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        self.open_now.append(self.name)
        self.most = max(self.most, len(self.open_now))
        try:
            await self.may_open.wait()
            async with super().opened(visit):
                yield
        finally:
            self.open_now.remove(self.name)


def workers_of(names: str) -> list[CountedWorker]:
    open_now: list[str] = []
    return [CountedWorker(name, open_now) for name in names]


def most_open(workers: Sequence[CountedWorker]) -> int:
    return max(worker.most for worker in workers)


def pass_time(pool: Pool, clock: Clock, seconds: float) -> None:
    """Let idle accounts be idle for so long, which they all are since now at the latest."""
    pool.open_accounts.plan()
    clock.passed += seconds
    pool.open_accounts.plan()


def in_state(pool: Pool, state: WorkerState) -> str:
    """Return the names of the accounts in a state."""
    return "".join(account.name for account in pool.accounts() if account.state is state)


async def until_in(pool: Pool, facts: Facts, names: str, state: WorkerState) -> None:
    """Wait until exactly those accounts are in the state."""
    await facts.until(lambda: in_state(pool, state) == names)


def reasons(facts: Facts, name: str, state: WorkerState) -> list[str]:
    changes = [fact for fact in facts if isinstance(fact, WorkerChanged)]
    return [fact.reason for fact in changes if (fact.account, fact.state) == (name, state)]


async def test_accounts_that_nobody_uses_sleep_but_for_those_used_last_which_answer_without_a_wait() -> None:
    workers, clock = workers_of("abc"), Clock()
    async with pool_of(*workers, sleep=AFTER_AN_HOUR, clock=clock) as (pool, facts):
        used = await ask(pool, "one")
        pass_time(pool, clock, HOUR + MINUTE)
        await until_in(pool, facts, "abc".replace(used, ""), WorkerState.ASLEEP)
        assert in_state(pool, WorkerState.READY) == used
        assert pool.unready() is None
        assert await ask(pool, "two") == used
        assert [worker.opens for worker in workers] == [1, 1, 1]


async def test_one_account_never_sleeps_unless_the_settings_say_so() -> None:
    clock, worker = Clock(), ScriptedWorker("a")
    async with pool_of(worker, clock=clock) as (pool, _):
        for _ in range(24 * 7):
            pass_time(pool, clock, HOUR)
        assert in_state(pool, WorkerState.READY) == "a"
        assert (worker.opens, worker.closes) == (1, 0)


async def test_a_chat_for_sleeping_accounts_opens_one_and_waits_for_it() -> None:
    workers, clock = workers_of("ab"), Clock()
    settings = SleepSettings(after=HOUR, keep_open=0, refresh_hours=0)
    async with pool_of(*workers, sleep=settings, clock=clock) as (pool, facts):
        pass_time(pool, clock, 2 * HOUR)
        await until_in(pool, facts, "ab", WorkerState.ASLEEP)
        assert pool.unready() is None
        assert await ask(pool, "one") in "ab"
        assert sorted(worker.opens for worker in workers) == [1, 2]


async def test_a_spare_account_is_opened_before_it_is_asked_for_when_all_open_ones_are_busy() -> None:
    workers, clock = workers_of("abc"), Clock()
    async with pool_of(*workers, sleep=AFTER_AN_HOUR, clock=clock) as (pool, facts):
        pass_time(pool, clock, 2 * HOUR)
        await facts.until(lambda: len(in_state(pool, WorkerState.ASLEEP)) == 2)
        for worker in workers:
            worker.hold = asyncio.Event()
        async with in_background(ask(pool, "one")):
            await facts.until(lambda: len(in_state(pool, WorkerState.READY)) == 2)
            assert sum(worker.running for worker in workers) == 1
            assert len(in_state(pool, WorkerState.ASLEEP)) == 1, "one spare is enough"


async def test_no_more_accounts_are_open_than_may_be_and_each_chat_is_answered() -> None:
    workers = workers_of("abcdef")
    async with pool_of(*workers, sleep=TWO_OPEN, ready=False) as (pool, facts):
        await until_in(pool, facts, "ab", WorkerState.READY)
        await until_in(pool, facts, "cdef", WorkerState.ASLEEP)
        assert reasons(facts, "c", WorkerState.ASLEEP)[0].startswith("The limit of open accounts is reached")
        answers = await asyncio.gather(*(ask(pool, str(number)) for number in range(40)))
        assert len(answers) == 40
        assert most_open(workers) == 2


async def test_at_the_start_the_accounts_that_were_used_last_are_opened(tmp_path: Path) -> None:
    now = time.time()
    (tmp_path / "sends.json").write_text(json.dumps({"c": [now - 60], "e": [now - 30], "a": [now - 3000]}))
    workers = workers_of("abcde")
    async with pool_of(*workers, sleep=TWO_OPEN, ready=False, config=tmp_path) as (pool, facts):
        await until_in(pool, facts, "abd", WorkerState.ASLEEP)
        await until_in(pool, facts, "ce", WorkerState.READY)


async def test_with_a_limit_a_long_pause_of_the_open_accounts_gives_their_place_to_sleeping_ones() -> None:
    workers = workers_of("abc")
    slow = PoolSettings(min_interval=60, queue_limit=LIMIT)
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), settings=slow, ready=False) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        assert sorted([await ask(pool, "1"), await ask(pool, "2"), await ask(pool, "3")]) == ["a", "b", "c"]
        assert most_open(workers) == 1


async def test_a_conversation_goes_on_with_its_sleeping_account_and_the_request_waits_for_it() -> None:
    workers = workers_of("ab")
    workers[0].opened_as = Opened("c-1", "2")
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), ready=False) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        assert await ask(pool, "one") == "a"
        await pool.sleep("a")
        assert await ask(pool, "other") == "b"
        assert await start(pool, going_on("one", "a", "two")) == "continued"
        assert workers[0].places == [None, ConversationPosition("a", "c-1", "2")]
        assert most_open(workers) == 1


async def test_for_a_conversation_the_account_whose_chat_ends_gives_way_before_a_younger_chat_gets_it() -> None:
    workers = workers_of("ab")
    first, second = workers
    first.opened_as, second.hold = Opened("c-1", "2"), asyncio.Event()
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), ready=False) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        assert await ask(pool, "one") == "a"
        await pool.sleep("a")
        async with in_background(ask(pool, "long")):
            await facts.until(second.chatting.is_set)
            async with in_background(start(pool, going_on("one", "a", "two"))) as older:
                await facts.until(lambda: len(pool.queue.chats()) == 2)
                async with in_background(ask(pool, "younger")) as younger:
                    await facts.until(lambda: len(pool.queue.chats()) == 3)
                    second.hold.set()
                    assert await older[0] == "continued"
                    assert await younger[0] == "a"


async def test_a_failing_wake_is_handled_as_any_opening_and_the_chat_gets_another_account() -> None:
    workers, clock = workers_of("ab"), Clock()
    settings = SleepSettings(after=HOUR, keep_open=0, refresh_hours=0)
    async with pool_of(*workers, sleep=settings, clock=clock) as (pool, facts):
        pass_time(pool, clock, 2 * HOUR)
        await until_in(pool, facts, "ab", WorkerState.ASLEEP)
        workers[0].open_fails = [LoginRequired("signed out")]
        assert await ask(pool, "one") == "b"
        await facts.state("a", WorkerState.LOGGED_OUT)
        workers[1].open_fails = [LoginRequired("signed out")]
        await pool.sleep("b")
        with pytest.raises(NoAccount, match="signed out"):
            await ask(pool, "two")


async def test_a_wake_that_does_not_end_is_given_up_at_its_limit() -> None:
    workers = workers_of("ab")
    workers[1].may_open.clear()
    quick = TurnSettings(ready=0.02)
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), ready=False, turn=quick) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        await until_in(pool, facts, "b", WorkerState.ASLEEP)
        await pool.wake("b")
        broken = await facts.state("b", WorkerState.BROKEN)
        assert broken.reason == "The account did not open within 0.08 seconds."
        assert await ask(pool, "one") == "a"


async def test_above_the_memory_limit_the_account_unused_for_longest_is_closed_and_none_is_opened_beside() -> None:
    workers, clock = workers_of("abc"), Clock()
    async with pool_of(*workers, clock=clock) as (pool, facts):
        order = [await ask(pool, str(number)) for number in range(3)]
        pool.open_accounts.memory, pool.open_accounts.memory_limit = lambda: 900.0, lambda: 800.0
        pool.open_accounts.plan()
        assert in_state(pool, WorkerState.ASLEEP) == order[0]
        for _ in range(2):
            pass_time(pool, clock, MINUTE)
            assert in_state(pool, WorkerState.READY) == order[2]
        assert reasons(facts, order[0], WorkerState.ASLEEP)[0].startswith("The browser takes too much memory")
        answers = await asyncio.gather(*(ask(pool, str(number)) for number in range(5)))
        assert set(answers) == {order[2]}, "the last one stays, and answers"


async def test_a_login_is_kept_fresh_by_opening_the_account_for_a_moment_one_after_the_other() -> None:
    workers, clock = workers_of("abcd"), Clock()
    async with pool_of(*workers, sleep=TWO_OPEN, ready=False, clock=clock) as (pool, facts):
        await until_in(pool, facts, "cd", WorkerState.ASLEEP)
        for day in range(1, 4):
            pass_time(pool, clock, DAY)
            async with asyncio.timeout(LIMIT):
                while any(worker.opens < day for worker in workers[2:]):
                    pass_time(pool, clock, MINUTE)
                    await asyncio.sleep(0)
        assert most_open(workers) == 2


async def test_a_paused_account_is_not_opened_for_a_chat_but_its_login_is_kept_fresh() -> None:
    workers, clock = workers_of("ab"), Clock()
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), ready=False, clock=clock) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        await until_in(pool, facts, "b", WorkerState.ASLEEP)
        await pool.pause("b")
        workers[0].hold = asyncio.Event()
        async with in_background(ask(pool, "one"), ask(pool, "two")):
            await facts.until(workers[0].chatting.is_set)
            pool.open_accounts.plan()
            assert workers[1].opens == 0
            workers[0].hold.set()
        await until(lambda: not pool.queue.busy())
        pass_time(pool, clock, DAY)
        await facts.until(lambda: workers[1].opens == 1)


async def test_the_operator_puts_an_account_to_sleep_after_its_chat_and_wakes_it() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts):
        async with in_background(ask(pool, "one")) as running:
            await facts.until(worker.chatting.is_set)
            assert (await pool.sleep("a")).is_busy
            worker.hold.set()
            assert await running[0] == "a"
        await until_in(pool, facts, "a", WorkerState.ASLEEP)
        assert (await pool.sleep("a")).state is WorkerState.ASLEEP
        assert (await pool.wake("a")).state is WorkerState.READY
        worker.open_fails = [LoginRequired("signed out")]
        await pool.sleep("a")
        assert (await pool.wake("a")).state is WorkerState.LOGGED_OUT
        with pytest.raises(AccountConflict, match="no open page to close"):
            await pool.sleep("a")


async def test_a_person_gets_the_page_of_a_sleeping_account_whatever_the_limit() -> None:
    workers = workers_of("ab")
    workers[0].hold = asyncio.Event()
    async with pool_of(*workers, sleep=SleepSettings(max_open=1), ready=False) as (pool, facts):
        await until_in(pool, facts, "a", WorkerState.READY)
        async with in_background(ask(pool, "one")):
            await facts.until(workers[0].chatting.is_set)
            async with pool.hold("b"):
                assert workers[1].opens == 1
            await facts.until(lambda: in_state(pool, WorkerState.ASLEEP) == "b")
            workers[0].hold.set()
        assert await ask(pool, "two") == "a"


@pytest.mark.parametrize("seed", [1])
@pytest.mark.slow
async def test_a_day_of_sleeping_and_waking_leaves_nothing_open_behind(seed: int) -> None:
    workers, clock, dice = workers_of("abcdefgh"), Clock(), random.Random(seed)
    settings = SleepSettings(max_open=3, after=HOUR / 2, refresh_hours=6)
    async with pool_of(*workers, sleep=settings, settings=QUICK, ready=False, clock=clock) as (pool, facts):
        await until_in(pool, facts, "defgh", WorkerState.ASLEEP)
        tasks, opens = len(asyncio.all_tasks()), {one: one.opens for one in workers}
        opened = dict.fromkeys(workers, clock())
        for minutes in range(0, 24 * 60, 10):
            pass_time(pool, clock, 10 * MINUTE)
            number = dice.choice((0, 0, 1, 2, 9))
            await asyncio.gather(*(ask(pool, f"{minutes} {one}") for one in range(number)))
            await until(lambda: in_state(pool, WorkerState.STARTING) == "")
            opened |= {one: clock() for one in workers if one.name in one.open_now or one.opens > opens[one]}
            opens = {one: one.opens for one in workers}
            assert clock() - min(opened.values()) < 7 * HOUR, "each was visited every six hours"
            facts.clear()
        await until_in(pool, facts, "", WorkerState.STARTING)
        for name in "abcdefgh":
            await pool.sleep(name)
        await until_in(pool, facts, "abcdefgh", WorkerState.ASLEEP)
        await until(lambda: not workers[0].open_now)
        assert [worker.opens for worker in workers] == [worker.closes for worker in workers]
        assert most_open(workers) == 3
        assert len(asyncio.all_tasks()) <= tasks
        assert await ask(pool, "after all") in "abcdefgh"
