"""Checks that borrow an account from the chats, and what of an account goes with it to another bridge."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.errors import AccountConflict, BridgeError, BrowserError, LoginRequired, RateLimited, SiteTimeout
from bridge.pool.account_record import AccountRecord, KnownAccounts, decoded, encoded
from bridge.pool.pool import Pool
from bridge.storage.account_states import AccountState, StoredAccountStates
from bridge.storage.send_times import SendLog
from bridge.telemetry import WorkerState
from tests.pool.test_pool import ScriptedWorker, ask, pool_of, queued


async def lent_with(pool: Pool, failure: BridgeError) -> None:
    async with pool.lent("a"):
        raise failure


async def lent(pool: Pool) -> str:
    async with pool.lent("a") as worker:
        return worker.name


async def test_a_chat_waits_for_the_end_of_a_check() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, facts):
        async with asyncio.TaskGroup() as tasks, pool.lent("a") as borrowed:
            assert borrowed is worker
            running = tasks.create_task(ask(pool, "1"))
            await facts.until(lambda: queued(facts, 1))
            assert not worker.chatting.is_set()
        assert running.result() == "a"


async def test_an_account_that_somebody_uses_or_that_is_not_open_is_not_lent() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ask(pool, "1"))
        await worker.chatting.wait()
        with pytest.raises(AccountConflict, match="busy with a chat"):
            await lent(pool)
        worker.hold.set()
        assert await running == "a"
        async with pool.hold("a"):
            with pytest.raises(AccountConflict, match="A person is in the page"):
                await lent(pool)
        await facts.until(lambda: not pool.accounts()[0].is_held)
        worker.chat_fails = [RateLimited("Too fast.", until=datetime.now(UTC) + timedelta(hours=1))]
        with pytest.raises(RateLimited):
            await ask(pool, "2")
        with pytest.raises(BrowserError, match=r"not open: .*Too fast"):
            await lent(pool)


async def test_what_a_check_finds_out_of_the_account_parks_it_and_nothing_else_does() -> None:
    async with pool_of(ScriptedWorker("a")) as (pool, _):
        with pytest.raises(SiteTimeout):
            await lent_with(pool, SiteTimeout("Slow."))
        assert pool.accounts()[0].state is WorkerState.READY
        with pytest.raises(LoginRequired):
            await lent_with(pool, LoginRequired("Signed out."))
        assert pool.accounts()[0].state is WorkerState.LOGGED_OUT


RESTS = AccountState(WorkerState.RESTING, "Too fast.", datetime(2100, 1, 1, tzinfo=UTC))
RECORD = AccountRecord(RESTS, is_paused=True, sends=(1.5, 2.5), generating=("c-1",))


def test_a_record_of_an_account_is_read_as_it_was_written_and_another_form_says_nothing() -> None:
    assert decoded(encoded(RECORD)) == RECORD
    for other in (b"", b"[1]", encoded(RECORD).replace(b"resting", b"flying")):
        assert decoded(other) == AccountRecord()


async def test_an_account_goes_on_where_another_bridge_has_left_it(tmp_path: Path) -> None:
    states, sends = StoredAccountStates(tmp_path), SendLog(tmp_path)
    try:
        sends.add("a", 2.5)
        sends.add("a", 3.5)
        own = sends.of("a")
        known = KnownAccounts(states, sends)
        known.take_over("a", RECORD)
        assert await states.entry("a") == (RESTS, True)
        assert [*own] == [1.5, 2.5, 3.5]
        known.take_over("a", AccountRecord())
        assert await states.entry("a") == (None, False)
        assert [*own] == [1.5, 2.5, 3.5]
    finally:
        await states.close()
        await sends.close()
