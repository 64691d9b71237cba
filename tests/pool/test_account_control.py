"""What the operator may do with accounts and chats, on workers that open no browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from loguru import logger

from bridge.browser.browser import Chromium
from bridge.chat.types import Account, Opened
from bridge.errors import (
    AccountConflict,
    BridgeError,
    BrowserError,
    ChatCancelled,
    LoginRequired,
    NoAccount,
    PoolError,
    RateLimited,
    RequestError,
    SetupError,
    SiteTimeout,
    UnknownAccount,
)
from bridge.login.interactive_login import EMPTY
from bridge.pool.pool import Pool
from bridge.settings import PoolSettings, Settings
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import Profile, ProfileStore, Stamp
from bridge.telemetry import ChatEnded, Telemetry, WorkerState
from bridge.worker.stored_accounts import ProfileAccounts
from tests.pool.test_pool import QUICK, Facts, ScriptedWorker, answer, ask, going_on, in_background, pool_of, queued
from tests.support.waiting import LIMIT, settle, until


class StoredWorkers:
    """Logins that are stored, as workers: what a folder of profiles is for the pool."""

    def __init__(self, *names: str) -> None:
        self.stored: dict[str, ScriptedWorker] = {name: ScriptedWorker(name) for name in names}
        self.unreadable: dict[str, int] = {}
        self.opened: list[str] = []
        self.looks = self.tries = 0
        self.rename_fails = False
        self.remove_fails = False

    def stamps(self) -> Mapping[str, Stamp | None]:
        self.looks += 1
        return {name: (0, self.unreadable.get(name, 0), 0) for name in self.stored}

    async def claim(self, name: str) -> None: ...

    async def worker(self, name: str) -> ScriptedWorker:
        self.tries += 1
        if name in self.unreadable or name not in self.stored:
            raise SetupError(f"Cannot open {name}.")
        self.opened.append(name)
        return self.stored[name]

    def remove(self, name: str) -> None:
        if self.remove_fails:
            raise PermissionError(name)
        self.stored.pop(name)

    def rename(self, name: str, to: str) -> None:
        if self.rename_fails:
            raise SetupError("The disk is full.")
        self.stored.pop(name)
        self.stored[to] = ScriptedWorker(to)


@asynccontextmanager
async def pool_with(
    stored: StoredWorkers, folder: Path, settings: PoolSettings = QUICK
) -> AsyncGenerator[tuple[Pool, Facts]]:
    facts = Facts()
    async with Pool(
        [], Settings(config=folder, pool=settings), Telemetry(facts), stored=stored, look_every=0.05
    ) as pool:
        for name in stored.stored.keys() - stored.unreadable.keys():
            await facts.state(name, WorkerState.READY)
        yield pool, facts


def names(pool: Pool) -> list[str]:
    return sorted(account.name for account in pool.accounts())


def one(pool: Pool) -> Account:
    (account,) = pool.accounts()
    return account


async def test_a_paused_account_takes_no_new_chat_while_the_running_one_goes_on(tmp_path: Path) -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker, config=tmp_path) as (pool, _), in_background(ask(pool, "first")) as (first,):
        await worker.chatting.wait()
        paused = await pool.pause("a")
        assert (paused.is_paused, paused.is_busy, str(paused)) == (True, True, "a is paused")
        with pytest.raises(NoAccount, match="a is paused"):
            await ask(pool, "second")
        assert "a is paused" in (pool.unready() or "")
        worker.hold.set()
        assert await first == "a"
        resumed = await pool.resume("a")
        assert (resumed.is_paused, pool.unready()) == (False, None)
        assert await ask(pool, "third") == "a"
        with pytest.raises(UnknownAccount):
            await pool.pause("b")


async def test_a_paused_account_is_still_paused_after_a_restart(tmp_path: Path) -> None:
    for should_pause in (True, False):
        worker, other = ScriptedWorker("a"), ScriptedWorker("b")
        async with pool_of(worker, other, config=tmp_path) as (pool, _):
            await (pool.pause("a") if should_pause else pool.resume("a"))
        worker, other = ScriptedWorker("a"), ScriptedWorker("b")
        async with pool_of(worker, other, config=tmp_path) as (pool, _):
            assert [account.is_paused for account in pool.accounts()] == [should_pause, False]


async def test_a_paused_account_that_waits_for_its_time_is_not_waited_for() -> None:
    worker = ScriptedWorker("a")
    worker.open_fails = [RateLimited("often", retry_after=LIMIT / 2)]
    async with pool_of(worker, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.RESTING)
        await pool.pause("a")
        with pytest.raises(NoAccount, match="resting and paused"):
            await ask(pool, "1")


async def test_an_account_is_opened_anew_at_once_or_after_its_chat() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, facts):
        assert (await pool.reopen("a")).state is WorkerState.READY
        assert worker.opens == 2
        worker.hold = asyncio.Event()
        async with in_background(ask(pool, "1"), ask(pool, "2")):
            await facts.until(lambda: queued(facts, 2))
            busy = await pool.reopen("a")
            await settle()
            assert (busy.is_busy, worker.opens) == (True, 2)
            worker.hold.set()
            await facts.until(lambda: worker.opens == 3)
            await facts.until(lambda: worker.answered == ["1", "2"])
            assert worker.torn == 0
        worker.open_fails = [LoginRequired("out")]
        reopened = await pool.reopen("a")
        assert (reopened.state, reopened.reason) == (WorkerState.LOGGED_OUT, "out")
        assert (await pool.reopen("a")).state is WorkerState.READY
        assert worker.running == 0


async def test_a_new_page_takes_the_place_of_one_that_no_chat_has() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, _):
        assert (await pool.renew("a")).state is WorkerState.READY
        assert (worker.renewals, worker.opens) == (1, 1)
        worker.renew_fails = [BrowserError("It did not close.")]
        with pytest.raises(BrowserError, match="did not close"):
            await pool.renew("a")
        worker.open_fails = [LoginRequired("out")]
        await pool.reopen("a")
        with pytest.raises(AccountConflict, match="logged_out"):
            await pool.renew("a")


async def test_a_check_of_an_open_account_asks_its_page() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, facts):
        assert (await pool.check("a")).state is WorkerState.READY
        worker.check_fails = [BrowserError("The page hangs.")]
        checked = await pool.check("a")
        assert (checked.state, checked.reason) == (WorkerState.BROKEN, "The page hangs.")
        await facts.until(lambda: worker.opens == 2)
        assert worker.checks == 2


async def test_a_chat_is_cancelled_while_it_waits_and_while_it_runs() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts):
        async with asyncio.TaskGroup() as group:
            running, waiting = (group.create_task(failure_of(pool, name)) for name in ("running", "waiting"))
            await facts.until(lambda: queued(facts, 2))
            await worker.chatting.wait()
            assert pool.cancel("waiting")
            assert isinstance(await waiting, ChatCancelled)
            assert worker.interrupted is None
            assert pool.cancel("running")
            assert isinstance(await running, ChatCancelled)
        assert [fact.result for fact in facts if isinstance(fact, ChatEnded)] == ["cancelled_by_operator"] * 2
        assert one(pool).last_error is None
        worker.hold = worker.interrupted = None
        assert await ask(pool, "next") == "a"
        assert not pool.cancel("next")
        assert not pool.cancel("")


async def failure_of(pool: Pool, name: str) -> Exception | None:
    try:
        await ask(pool, name)
    except ChatCancelled as error:
        return error
    return None


async def test_a_chat_that_does_not_hear_at_first_that_it_is_cancelled_is_told_again() -> None:
    worker = ScriptedWorker("a")
    worker.hold, worker.deaf = asyncio.Event(), 1
    async with pool_of(worker) as (pool, _), asyncio.TaskGroup() as group:
        running = group.create_task(failure_of(pool, "1"))
        await worker.chatting.wait()
        assert pool.cancel("1")
        assert isinstance(await running, ChatCancelled)
        assert worker.deaf == 0


async def test_a_cancelled_chat_is_given_to_no_other_account() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    first.chat_fails = [BrowserError("crashed")]
    first.hold_before_failing = asyncio.Event()
    async with pool_of(first, second) as (pool, _):
        await pool.pause("b")
        async with in_background(failure_of(pool, "1")) as (running,):
            await first.chatting.wait()
            assert pool.cancel("1")
            await pool.resume("b")
            first.hold_before_failing.set()
            assert isinstance(await running, ChatCancelled)
        assert second.answered == []


async def test_an_account_tells_its_sends_its_limits_and_its_last_error() -> None:
    worker = ScriptedWorker("a")
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=5, turns_per_day=9)
    async with pool_of(worker, settings=settings) as (pool, _):
        before = one(pool)
        assert (before.sends_hour, before.sends_day, before.last_error) == (0, 0, None)
        await ask(pool, "1")
        worker.chat_fails = [SiteTimeout("The site said nothing.", sent=True)]
        with pytest.raises(SiteTimeout):
            await ask(pool, "2")
        after = one(pool)
        assert (after.sends_hour, after.sends_day, after.hour_limit, after.day_limit) == (1, 1, 5, 9)
        assert (after.site, after.url) == ("deepseek", "https://chat.example")
        assert after.last_error is not None
        assert (after.last_error.code, after.last_error.message) == ("site_timeout", "The site said nothing.")


async def test_a_file_that_comes_or_goes_is_an_account_that_comes_or_goes(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    async with pool_with(stored, tmp_path) as (pool, facts):
        stored.stored["b"] = ScriptedWorker("b")
        await facts.state("b", WorkerState.READY)
        assert names(pool) == ["a", "b"]
        stored.remove("a")
        await facts.state("a", WorkerState.CLOSED)
        assert names(pool) == ["b"]
        assert await ask(pool, "1") == "b"


class WorkersInFolder(StoredWorkers):
    """The same, with the names from a folder of profiles."""

    def __init__(self, folder: Path, *names: str) -> None:
        super().__init__(*names)
        settings = Settings(config=folder, profiles=folder / "profiles")
        store = ProfileStore(settings.profiles, Identity.generate())
        for name in names:
            store.save(Profile(name=name, site="deepseek", url="https://a.example", storage_state=EMPTY))
        self._names = ProfileAccounts(store, Chromium(settings.pages, Telemetry()), settings.pages, Telemetry())

    def stamps(self) -> Mapping[str, Stamp | None]:
        self.looks += 1
        return self._names.stamps()


@pytest.mark.parametrize("is_mount", [True, False])
async def test_accounts_stay_and_chats_go_on_while_the_folder_of_profiles_is_away(
    tmp_path: Path, is_mount: bool
) -> None:
    stored = WorkersInFolder(tmp_path, "a", "b")
    stored.stored["a"].hold = asyncio.Event()
    folder, away = tmp_path / "profiles", tmp_path / "away"
    log: list[str] = []
    sink = logger.add(log.append, format="{message}")
    async with pool_with(stored, tmp_path) as (pool, facts), in_background(ask(pool, "1")) as (chat,):
        await facts.until(lambda: any(one.is_busy for one in pool.accounts()))
        folder.rename(away)
        if is_mount:  # an empty folder is left where the disk is not mounted
            folder.mkdir()
        looks = stored.looks
        await until(lambda: stored.looks > looks + 1)
        assert names(pool) == ["a", "b"]
        logger.remove(sink)
        assert sum("list of accounts was not renewed" in line for line in log) == 1
        stored.stored["a"].hold.set()
        assert await chat == "a"
        if is_mount:
            folder.rmdir()
        away.rename(folder)
        looks = stored.looks
        await until(lambda: stored.looks > looks + 1)
        assert stored.opened == ["a", "b"]
        (folder / "b.age").unlink()
        await until(lambda: names(pool) == ["a"])
        (folder / "a.age").unlink()
        await until(lambda: names(pool) == [])


class StoreThatComesBack(ProfileStore):
    """A store whose folder, if it is `away`, comes back while its names are read."""

    away: Path | None = None

    def names(self) -> list[str]:
        found = super().names()
        if self.away is not None:
            self.away.rename(self.folder)
        return found


def test_a_folder_of_profiles_that_comes_back_during_a_look_has_lost_none(tmp_path: Path) -> None:
    settings = Settings(config=tmp_path, profiles=tmp_path / "profiles")
    store = StoreThatComesBack(settings.profiles, Identity.generate())
    store.save(Profile(name="a", site="deepseek", url="https://a.example", storage_state=EMPTY))
    accounts = ProfileAccounts(store, Chromium(settings.pages, Telemetry()), settings.pages, Telemetry())
    assert list(accounts.stamps()) == ["a"]
    store.away = settings.profiles.rename(tmp_path / "away")
    with pytest.raises(SetupError, match="was moved"):
        accounts.stamps()


async def test_an_account_that_takes_long_to_end_keeps_no_other_one_from_being_opened(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    worker = stored.stored["a"]
    worker.hold, worker.deaf = asyncio.Event(), 10**6
    async with pool_with(stored, tmp_path) as (pool, facts), in_background(failure_of(pool, "1")) as (chat,):
        await worker.chatting.wait()
        stored.remove("a")
        stored.stored["b"] = ScriptedWorker("b")
        await facts.state("b", WorkerState.READY)
        assert names(pool) == ["a", "b"]
        worker.deaf = 0
        assert isinstance(await chat, ChatCancelled)
        await until(lambda: names(pool) == ["b"])


@pytest.mark.parametrize("is_removed", [True, False])
async def test_an_account_that_is_lost_while_it_waits_to_be_given_away_waits_for_its_chat_alone(
    tmp_path: Path, is_removed: bool
) -> None:
    stored, given = StoredWorkers("a"), list[str]()
    worker = stored.stored["a"]
    worker.hold = asyncio.Event()
    async with pool_with(stored, tmp_path) as (pool, _), in_background(failure_of(pool, "1")) as (chat,):
        await worker.chatting.wait()

        def closing() -> None:
            given.append("a")
            stored.stored.clear()

        async with in_background(pool.give_away("a", closing)) as (giving,):
            await settle()
            if is_removed:
                with pytest.raises(UnknownAccount, match="was just removed"):
                    await pool.remove("a")
            else:
                del stored.stored["a"]
            assert isinstance(await chat, ChatCancelled)
            await giving
            assert given == ["a"]
        assert (names(pool), worker.closes) == ([], 1)


async def test_a_login_that_could_not_be_opened_is_tried_again_when_it_comes_back(tmp_path: Path) -> None:
    stored = StoredWorkers("a", "b")
    stored.unreadable["b"] = 1
    async with pool_with(stored, tmp_path):
        tries, worker = stored.tries, stored.stored.pop("b")
        looks = stored.looks
        await until(lambda: stored.looks > looks + 1)
        stored.stored["b"] = worker
        await until(lambda: stored.tries == tries + 1)


async def test_a_login_that_is_deleted_and_written_again_keeps_the_sends_of_its_account(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    async with pool_with(stored, tmp_path) as (pool, _):
        assert await ask(pool, "1") == "a"
        worker = stored.stored.pop("a")
        await until(lambda: names(pool) == [])
        stored.stored["a"] = worker
        await until(lambda: names(pool) == ["a"])
        assert (one(pool).sends_hour, one(pool).sends_day) == (1, 1)


async def test_a_login_that_is_deleted_and_written_again_keeps_the_pace_and_the_pause_of_its_account(
    tmp_path: Path,
) -> None:
    stored, settings = StoredWorkers("a"), QUICK.model_copy(update={"min_interval": LIMIT, "queue_limit": 0.1})
    async with pool_with(stored, tmp_path, settings) as (pool, _):
        assert await ask(pool, "1") == "a"
        await pool.pause("a")
        for is_paused in (True, False):
            worker = stored.stored.pop("a")
            await until(lambda: names(pool) == [])
            stored.stored["a"] = worker
            await until(lambda: names(pool) == ["a"] and one(pool).state is WorkerState.READY)
            assert one(pool).is_paused == is_paused
            with pytest.raises(PoolError):
                await ask(pool, "too soon")
            await pool.resume("a")
        await pool.remove("a")
        stored.stored["a"] = ScriptedWorker("a")
        await until(lambda: names(pool) == ["a"] and one(pool).state is WorkerState.READY)
        assert await ask(pool, "2") == "a", "one that was removed for good begins anew"


async def test_a_file_that_cannot_be_opened_is_tried_once_until_it_changes_while_others_run(
    tmp_path: Path,
) -> None:
    stored = StoredWorkers("a", "b")
    stored.unreadable["b"] = 1
    async with pool_with(stored, tmp_path) as (pool, facts):
        assert names(pool) == ["a"]
        tries = stored.tries
        stored.stored["c"] = ScriptedWorker("c")
        await facts.state("c", WorkerState.READY)
        assert stored.tries == tries + 1
        stored.unreadable["b"] = 2
        await until(lambda: stored.tries == tries + 2)
        del stored.unreadable["b"]
        await facts.state("b", WorkerState.READY)


async def test_a_bridge_without_accounts_takes_up_its_first_login(tmp_path: Path) -> None:
    stored = StoredWorkers()
    async with pool_with(stored, tmp_path) as (pool, _):
        assert "bridge login" in (pool.unready() or "")
        stored.stored["a"] = ScriptedWorker("a")
        assert (await pool.add("a")).state is WorkerState.READY
        assert await ask(pool, "1") == "a"
        with pytest.raises(SetupError):
            await pool.add("b")


async def test_an_open_account_that_was_logged_in_anew_is_opened_again_after_its_chat() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts), in_background(ask(pool, "1")) as (running,):
        await worker.chatting.wait()
        worker.logged_in.set()
        await until(lambda: not worker.logged_in.is_set())
        assert worker.opens == 1
        worker.hold.set()
        assert await running == "a"
        await facts.until(lambda: worker.opens == 2)


async def test_a_removed_account_ends_its_chat_and_its_profile_is_gone(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    worker = stored.stored["a"]
    worker.hold = asyncio.Event()
    async with pool_with(stored, tmp_path) as (pool, facts):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(failure_of(pool, "1"))
            await worker.chatting.wait()
            waiting = group.create_task(refused(pool, "2"))
            await facts.until(lambda: queued(facts, 2))
            await pool.remove("a")
            assert "removed" in str(await running)
            assert isinstance(await waiting, NoAccount)
        assert (names(pool), stored.stored) == ([], {})
        assert worker.closes == 1
        with pytest.raises(UnknownAccount):
            await pool.remove("a")


async def refused(pool: Pool, name: str) -> Exception | None:
    try:
        await ask(pool, name)
    except NoAccount as error:
        return error
    return None


async def test_a_renamed_account_keeps_its_conversations_its_sends_and_its_pause(tmp_path: Path) -> None:
    stored = StoredWorkers("a", "other")
    stored.stored["a"].opened_as = Opened("c-1", "m-1")
    async with pool_with(stored, tmp_path) as (pool, _):
        await pool.pause("other")
        await ask(pool, "Hi")
        await pool.pause("a")
        renamed = await pool.rename("a", "b")
        assert (renamed.name, renamed.state, renamed.is_paused, renamed.sends_day) == ("b", WorkerState.READY, True, 1)
        await pool.rename("other", "third")
        assert names(pool) == ["b", "third"]
        await pool.resume("b")
        assert await answer(pool, going_on("Hi", "a", "And?")) == "b"
        (place,) = stored.stored["b"].places
        assert place is not None
        assert place.conversation == "c-1"
    stored.stored = {name: ScriptedWorker(name) for name in stored.stored}
    async with pool_with(stored, tmp_path) as (pool, _):
        kept = {account.name: (account.is_paused, account.sends_day) for account in pool.accounts()}
        assert kept == {"b": (False, 2), "third": (True, 0)}


async def test_a_chat_that_waits_for_an_account_gets_it_under_its_new_name(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    async with pool_with(stored, tmp_path) as (pool, facts):
        (slot,) = pool.queue.idle()
        slot.free_at = time.monotonic() + LIMIT
        async with in_background(ask(pool, "1")) as (waiting,):
            await facts.until(lambda: queued(facts, 1))
            await pool.rename("a", "b")
            assert not waiting.done()
            slot.free_at = 0.0
            pool.queue.assign()
            assert await waiting == "b"


async def test_a_name_that_is_taken_or_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    stored = StoredWorkers("a", "b")
    async with pool_with(stored, tmp_path) as (pool, _):
        with pytest.raises(AccountConflict) as taken:
            await pool.rename("a", "b")
        assert taken.value.param == "to"
        with pytest.raises(RequestError, match="not a valid profile name"):
            await pool.rename("a", "../c")
        assert stored.stored["a"].opens == 1
        stored.rename_fails = True
        with pytest.raises(RequestError, match="disk is full"):
            await pool.rename("a", "c")
        assert names(pool) == ["a", "b"]
        assert await ask(pool, "1") in ("a", "b")


async def test_nobody_is_told_that_an_account_is_removed_whose_removal_failed_unexpectedly(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    stored.remove_fails = True
    async with pool_with(stored, tmp_path) as (pool, _):
        with pytest.raises(BridgeError, match="was not completed"):
            await pool.remove("a")


async def test_what_comes_too_late_for_an_account_is_told_so_at_once_and_harms_no_other_of_its_name(
    tmp_path: Path,
) -> None:
    async with pool_with(StoredWorkers("a"), tmp_path) as (pool, _), asyncio.timeout(LIMIT):
        late = pool.remove("a"), pool.rename("a", "c"), pool.reopen("a")
        done, *found = await asyncio.gather(pool.remove("a"), *late, return_exceptions=True)
        assert done is None
        assert [type(error) for error in found] == [UnknownAccount] * 3
        assert names(pool) == []

    async with pool_with(StoredWorkers("b"), tmp_path) as (pool, _), asyncio.timeout(LIMIT):
        renamed = await asyncio.gather(pool.rename("b", "c"), pool.rename("b", "d"), return_exceptions=True)
        assert [type(found) for found in renamed] == [Account, UnknownAccount]
        assert names(pool) == ["c"]


@pytest.mark.slow
async def test_a_caller_that_leaves_in_the_middle_of_a_removal_does_not_stop_it(tmp_path: Path) -> None:
    stored = StoredWorkers("a")
    worker = stored.stored["a"]
    worker.hold, worker.deaf = asyncio.Event(), 2
    async with pool_with(stored, tmp_path) as (pool, facts), in_background(failure_of(pool, "1")):
        await worker.chatting.wait()
        async with in_background(pool.remove("a")):
            await until(lambda: worker.deaf < 2)
        await facts.state("a", WorkerState.CLOSED)
        await until(lambda: not stored.stored)


async def test_the_picture_and_the_bundle_are_those_of_the_account(tmp_path: Path) -> None:
    worker = ScriptedWorker("a")
    worker.folder = tmp_path
    (tmp_path / "a").mkdir()
    (tmp_path / "a/report.json").write_text("{}")
    async with pool_of(worker, ScriptedWorker("b")) as (pool, _):
        assert await pool.thumbnail("b") == b"b"
        bundle = await pool.bundle("a")
        assert (bundle.name, ZipFile(BytesIO(bundle.data)).namelist()) == ("a", ["report.json"])
        with pytest.raises(UnknownAccount):
            await pool.thumbnail("c")
