"""What keeps the accounts open: it survives everything, says so, and looks again when the operator asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.chat.operator_visit import Visit
from bridge.errors import (
    BrowserError,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAccount,
    SetupError,
    SiteChanged,
    UnknownAccount,
)
from bridge.pool.maintenance import maintenance
from bridge.pool.pool import Pool
from bridge.settings import ConversationSettings, PoolSettings, Settings
from bridge.telemetry import Fact, Telemetry, WorkerChanged, WorkerState
from tests.pool.test_pool import QUICK, Facts, ScriptedWorker, ask, pool_of
from tests.support.waiting import LIMIT


@pytest.mark.slow
async def test_accounts_outlive_whatever_opening_them_raises_and_say_what_it_was() -> None:
    failures = {"a": KeyError("secret"), "b": RuntimeError("secret"), "c": asyncio.CancelledError("secret")}
    workers = [ScriptedWorker(name) for name in failures]
    for worker in workers:
        worker.open_fails = [failures[worker.name], failures[worker.name]]
    async with pool_of(*workers, ready=False) as (pool, facts):
        for name, failure in failures.items():
            changed = await facts.state(name, WorkerState.BROKEN)
            assert changed.reason == f"The account could not be kept open: {type(failure).__name__}."
        for name in failures:
            await facts.state(name, WorkerState.READY)
        assert sorted([await ask(pool, text) for text in "123"]) == [*failures]
        changes = [fact for fact in facts if isinstance(fact, WorkerChanged)]
        assert sorted(fact.account for fact in changes if fact.state is WorkerState.BROKEN) == [*"aabbcc"]


class ClosingWorker(ScriptedWorker):
    """Notes whether its account was still ready when it began to be closed."""

    ready_while_closed: bool | None = None
    pool: Pool

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        async with super().opened(visit):
            try:
                yield
            finally:
                if self.ready_while_closed is None:
                    self.ready_while_closed = self.pool.accounts()[0].state is WorkerState.READY


async def test_no_chat_gets_an_account_whose_page_is_lost_while_it_is_closed() -> None:
    worker = ClosingWorker("a")
    async with pool_of(worker) as (pool, facts):
        worker.pool = pool
        worker.give_up(BrowserError("The page crashed."))
        await facts.until(lambda: worker.ready_while_closed is not None)
        assert worker.ready_while_closed is False
        assert await ask(pool, "1") == "a"


@pytest.mark.slow
async def test_an_account_that_is_signed_out_is_not_opened_again_because_its_login_cannot_be_read() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [LoginRequired("out")]
    worker.login_fails = [SetupError("damaged")]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.LOGGED_OUT)
        async with asyncio.timeout(LIMIT):
            await worker.login_failed.wait()
        assert worker.opens == 1
        worker.logged_in.set()
        await facts.state("a", WorkerState.READY)
        assert await ask(pool, "1") == "a"


async def test_a_sink_of_telemetry_that_fails_harms_nothing_else(tmp_path: Path) -> None:
    def broken_sink(fact: Fact) -> None:
        raise ValueError(fact)

    worker, facts = ScriptedWorker("a"), Facts()
    telemetry = Telemetry(broken_sink, facts)
    async with Pool([worker], Settings(config=tmp_path, pool=QUICK), telemetry) as pool:
        await facts.state("a", WorkerState.READY)
        assert await ask(pool, "1") == "a"


@pytest.mark.parametrize("failure", [SiteChanged("no menu"), BrowserError("no answer"), RuntimeError("odd")])
async def test_a_conversation_that_cannot_be_deleted_is_left_alone_for_a_while(failure: Exception) -> None:
    worker = ScriptedWorker("a")
    worker.delete_fails = [failure] * 100
    at_once = ConversationSettings(delete_after=1e-9)
    async with pool_of(worker, conversations=at_once) as (pool, _), maintenance(pool, Telemetry(), 0.01):
        pool.conversations.made("c-1", "a")
        async with asyncio.timeout(LIMIT):
            await worker.deleting.wait()
        for number in range(10):
            assert await ask(pool, str(number)) == "a"
            for _ in range(3):  # what the upkeep asks is answered in between
                await pool.conversations.unused("a")
        assert worker.deletes == ["c-1"]


async def test_a_conversation_is_deleted_once_however_long_it_takes_to_find_it() -> None:
    worker, found = ScriptedWorker("a"), threading.Event()
    at_once = ConversationSettings(delete_after=1e-12)  # 1e-9 days are longer than the search takes to follow
    async with pool_of(worker, conversations=at_once) as (pool, _), maintenance(pool, Telemetry(), LIMIT):
        assert await pool.conversations.unused("a") is None  # so a search that began before this has ended
        pool.conversations._thread.start(found.wait, LIMIT)
        pool.conversations.made("c-1", "a")
        for _ in range(10):  # the account becomes free again each time
            pool.queue.freed.set()
            await asyncio.sleep(0)
        found.set()
        async with asyncio.timeout(LIMIT):
            await worker.deleting.wait()
        for _ in range(10):
            await pool.conversations.unused("a")
        assert worker.deletes == ["c-1"]


async def test_a_challenge_that_a_person_has_solved_ends_when_the_account_is_checked() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [HumanNeeded("Are you human?")]
    async with pool_of(worker, ready=False) as (pool, facts):
        changed = await facts.state("a", WorkerState.CHALLENGED)
        assert changed.until is not None
        until = f"{changed.until:%Y-%m-%d %H:%M:%S} UTC"
        with pytest.raises(NoAccount) as caught:
            await ask(pool, "1")
        assert f"a is challenged until {until} (Are you human?)" in caught.value.message
        checked = await pool.check("a")
        assert (checked.name, checked.state) == ("a", WorkerState.READY)
        assert await ask(pool, "2") == "a"


async def test_a_check_tells_that_an_account_stays_parked_and_why() -> None:
    worker = ScriptedWorker("a")
    until = datetime.now(UTC) + timedelta(hours=9)
    worker.open_fails = [LoginRequired("out"), Muted("muted", until=until), KeyError("odd")]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.LOGGED_OUT)
        checked = await pool.check("a")
        assert (checked.state, checked.reason, checked.until) == (WorkerState.MUTED, "muted", until)
        assert (await pool.check("a")).state is WorkerState.BROKEN
        await facts.state("a", WorkerState.READY)
        assert (await pool.check("a")).state is WorkerState.READY
        assert worker.opens == 4
        with pytest.raises(UnknownAccount, match="'b'"):
            await pool.check("b")


async def test_a_check_does_not_let_an_account_send_more_than_its_budget() -> None:
    worker = ScriptedWorker("a")
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=1)
    async with pool_of(worker, settings=settings) as (pool, facts):
        await ask(pool, "1")
        await facts.state("a", WorkerState.RESTING)
        checked = await pool.check("a")
        assert (checked.state, "quota" in checked.reason, worker.opens) == (WorkerState.RESTING, True, 1)


async def test_many_checks_at_once_all_get_an_answer() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [HumanNeeded("human") for _ in range(2)]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.CHALLENGED)
        async with asyncio.timeout(LIMIT):
            found = await asyncio.gather(*(pool.check("a") for _ in range(10)))
        assert {account.state for account in found} == {WorkerState.CHALLENGED}
        assert (await pool.check("a")).state is WorkerState.READY
