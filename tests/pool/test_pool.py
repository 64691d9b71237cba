"""The pool's promises, with workers that open no browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from loguru import logger

from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import ChatEvent, ChatRequest, ConversationStart, Finish, Message, Model, Opened, Text
from bridge.errors import (
    BridgeError,
    BrowserError,
    HumanNeeded,
    LoginRequired,
    Muted,
    NoAccount,
    PoolError,
    PoolFull,
    PoolTimeout,
    RateLimited,
    RequestError,
    SiteBusy,
    SiteChanged,
    SiteError,
    SiteTimeout,
    StalePage,
    UnknownConversation,
    UnknownModel,
)
from bridge.pool.maintenance import maintenance
from bridge.pool.pool import Pool
from bridge.settings import ConversationSettings, PoolSettings, Settings, SleepSettings, TurnSettings
from bridge.storage.conversation_file import ConversationPosition
from bridge.telemetry import ChatEnded, ChatQueued, ChatStarted, Fact, Telemetry, Timeline, WorkerChanged, WorkerState
from tests.support.waiting import LIMIT, until

QUICK = PoolSettings(min_interval=0, queue_limit=LIMIT)


class ScriptedWorker:
    """A worker that answers when it is told to, and fails as it is told to."""

    site = "deepseek"
    url = "https://chat.example"
    models: Sequence[Model] = (Model("deepseek-chat"),)
    min_interval = 3.0
    last_seen: datetime | None = None
    page_chats = 0
    folder = Path()
    is_renewal_due = is_reopening_due = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.answered: list[str] = []
        self.open_fails: list[BaseException] = []
        self.chat_fails: list[Exception] = []
        self.login_fails: list[Exception] = []
        self.places: list[ConversationPosition | None] = []
        self.deletes: list[str] = []
        self.delete_fails: list[Exception] = []
        self.deleting = asyncio.Event()
        self.login_failed = asyncio.Event()
        self.opened_as: Opened | None = None
        self.hold: asyncio.Event | None = None
        self.running = 0
        self.most_running = 0
        self.opens = 0
        self.logged_in = asyncio.Event()
        self.chatting = asyncio.Event()
        self.wants_new_chat = False
        self.preparing = asyncio.Event()
        self.may_prepare = asyncio.Event()
        self._lost: asyncio.Future[NoReturn] | None = None
        self.interrupted: BridgeError | None = None
        self.visit_fails: BridgeError | None = None
        self.deaf = 0
        """How often it does not hear that it is interrupted."""
        self.checks = self.renewals = self.closes = 0
        self.torn = 0
        """How often it was closed in the middle of a chat."""
        self.renew_fails: list[BridgeError] = []
        self.hold_before_failing: asyncio.Event | None = None
        self.check_fails: list[BridgeError] = []

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        self.opens += 1
        if visit is None and self.open_fails:
            raise self.open_fails.pop(0)
        if visit is not None and self.visit_fails is not None:
            raise self.visit_fails
        self._lost = asyncio.get_running_loop().create_future()
        try:
            if visit is not None:
                await self.visited(visit)
            yield
        finally:
            self.closes += 1
            self.torn += self.running > 0

    async def visited(self, visit: Visit) -> None:
        assert self.running == 0
        visit.began.set()
        await visit.over.wait()
        try:
            if visit.stays_parked and not visit.is_solved:
                raise BridgeError("The person has left the page as it was.")
            if self.open_fails:
                raise self.open_fails.pop(0)
        finally:
            visit.end()

    async def lost(self) -> NoReturn:
        assert self._lost is not None
        await asyncio.shield(self._lost)

    def give_up(self, error: BridgeError) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_exception(error)
            self._lost.exception()

    def interrupt(self, error: BridgeError) -> None:
        if self.deaf:
            self.deaf -= 1
            return
        self.interrupted = error
        if self.hold is not None:
            self.hold.set()

    async def login_renewed(self) -> None:
        if self.login_fails:
            self.login_failed.set()
            raise self.login_fails.pop(0)
        await self.logged_in.wait()
        self.logged_in.clear()

    async def check(self) -> None:
        self.checks += 1
        if self.check_fails:
            error = self.check_fails.pop(0)
            self.give_up(error)
            raise error

    async def renew(self) -> None:
        assert self.running == 0
        if self.renew_fails:
            raise self.renew_fails.pop(0)
        self.renewals += 1

    async def bundle(self) -> Path:
        return self.folder / self.name

    async def thumbnail(self) -> bytes | None:
        return self.name.encode()

    async def prepare(self) -> None:
        assert self.running == 0
        self.preparing.set()
        await self.may_prepare.wait()
        self.wants_new_chat = False

    async def delete(self, conversation: str) -> None:
        self.deletes.append(conversation)
        self.deleting.set()
        if self.delete_fails:
            raise self.delete_fails.pop(0)

    async def chat(
        self, request: ChatRequest, timeline: Timeline, place: ConversationPosition | None
    ) -> AsyncGenerator[ChatEvent]:
        self.running += 1
        self.places.append(place)
        self.most_running = max(self.most_running, self.running)
        self.chatting.set()
        try:
            if self.hold_before_failing is not None:
                await self.hold_before_failing.wait()
            if self.chat_fails:
                raise self.chat_fails.pop(0)
            timeline.mark("sent")
            self.answered.append(request.id)
            if self.opened_as is not None:
                yield self.opened_as
            yield Text(self.name)
            if self.hold is not None:
                await self.hold.wait()
            if self.interrupted is not None:
                raise self.interrupted
            yield Finish()
        finally:
            self.running -= 1


class Facts(list[Fact]):
    """The facts so far; `until` waits for a condition that facts change."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def __call__(self, fact: Fact) -> None:
        self.append(fact)
        self._more.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._more.clear()
                await self._more.wait()

    async def state(self, account: str, state: WorkerState) -> WorkerChanged:
        found: list[WorkerChanged] = []

        def seen() -> bool:
            found[:] = [
                fact
                for fact in self
                if isinstance(fact, WorkerChanged) and (fact.account, fact.state) == (account, state)
            ]
            return bool(found)

        await self.until(seen)
        return found[-1]


@asynccontextmanager
async def pool_of(
    *workers: ScriptedWorker,
    settings: PoolSettings = QUICK,
    ready: bool = True,
    config: Path | None = None,
    conversations: ConversationSettings | None = None,
    sleep: SleepSettings | None = None,
    turn: TurnSettings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[tuple[Pool, Facts]]:
    facts = Facts()
    with TemporaryDirectory() as folder:
        everything = Settings(
            config=config or Path(folder),
            pool=settings,
            conversations=conversations or ConversationSettings(),
            sleep=sleep or SleepSettings(),
            turn=turn or TurnSettings(),
        )
        async with Pool(workers, everything, Telemetry(facts), clock=clock) as pool:
            if ready:
                for worker in workers:
                    await facts.state(worker.name, WorkerState.READY)
            yield pool, facts


def request(name: str) -> ChatRequest:
    return ChatRequest(name, Model("deepseek-chat"), (Message("user", name),))


def going_on(asked: str, answered: str, new: str) -> ChatRequest:
    history = (Message("user", asked), Message("assistant", answered), Message("user", new))
    return ChatRequest(new, Model("deepseek-chat"), history)


def queued(facts: Facts, number: int) -> bool:
    return sum(isinstance(fact, ChatQueued) for fact in facts) == number


async def ask(pool: Pool, name: str) -> str:
    return await answer(pool, request(name))


async def answer(pool: Pool, chat: ChatRequest) -> str:
    async with asyncio.timeout(LIMIT), aclosing(pool.chat(chat)) as events:
        return "".join([event.text async for event in events if isinstance(event, Text)])


@asynccontextmanager
async def in_background(*work: Coroutine[Any, Any, Any]) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Run `work` beside the body; what still runs after it is cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        yield tasks
        for task in tasks:
            task.cancel()


async def test_upkeep_leaves_an_account_that_chats_alone_and_a_chat_waits_for_the_end_of_upkeep() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    async with pool_of(first, second) as (pool, facts), maintenance(pool, Telemetry(), LIMIT):
        second.hold = asyncio.Event()
        async with in_background(ask(pool, "one"), ask(pool, "two")) as (_, held):
            await facts.until(lambda: second.chatting.is_set())
            first.wants_new_chat = second.wants_new_chat = True
            pool.queue.freed.set()
            async with asyncio.timeout(LIMIT):
                await first.preparing.wait()
            assert not second.preparing.is_set()
            second.hold.set()
            await held
            async with asyncio.timeout(LIMIT):
                await second.preparing.wait()
        assert all(account.is_busy for account in pool.accounts())
        async with in_background(ask(pool, "three")) as (third,):
            await facts.until(lambda: sum(isinstance(fact, ChatQueued) for fact in facts) == 3)
            assert not any(isinstance(fact, ChatStarted) and fact.chat == "three" for fact in facts)
            first.may_prepare.set()
            assert await third == "a"


async def test_chats_are_taken_in_order_of_arrival_and_one_at_a_time_on_an_account() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    async with pool_of(first, second) as (pool, _):
        names = [f"{number:02}" for number in range(20)]
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(ask(pool, name))
        assert sorted(first.answered + second.answered) == names
        assert first.answered == sorted(first.answered)
        assert (first.most_running, second.most_running) == (1, 1)


async def test_models_are_listed_while_an_account_can_come_back_to_them_by_itself() -> None:
    muted, out = ScriptedWorker("muted"), ScriptedWorker("out")
    out.models = (Model("other"),)
    muted.open_fails, out.open_fails = [Muted("muted")], [LoginRequired("out")]
    async with pool_of(muted, out, ready=False) as (pool, facts):
        await facts.state("muted", WorkerState.MUTED)
        await facts.state("out", WorkerState.LOGGED_OUT)
        assert [model.id for model in pool.models()][:1] == ["deepseek-chat"]
        assert not [model for model in pool.models() if model.id.startswith("other")]
        assert pool.model("other-think").thinking  # so that a chat is told what is the matter
        out.logged_in.set()
        await facts.state("out", WorkerState.READY)
        assert [model for model in pool.models() if model.id == "other"]


async def test_a_chat_cancelled_while_it_waits_takes_no_worker() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts):
        async with in_background(ask(pool, "first"), ask(pool, "second")) as (_, second):
            await worker.chatting.wait()
            second.cancel()
            await facts.until(lambda: any(isinstance(f, ChatEnded) and f.chat == "second" for f in facts))
            worker.hold.set()
            await facts.until(lambda: any(isinstance(f, ChatEnded) and f.chat == "first" for f in facts))
        assert await ask(pool, "third") == "a"
        assert worker.answered == ["first", "third"]


async def test_a_chat_cancelled_right_after_it_was_granted_loses_no_worker() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, _):
        async with in_background(ask(pool, "first"), ask(pool, "second")) as (first, second):
            await worker.chatting.wait()
            first.cancel()  # frees the account: the second chat is granted it before its task runs again
            second.cancel()
        worker.hold = None
        assert await ask(pool, "third") == "a"


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    settings = PoolSettings(min_interval=0, queue_size=1, queue_limit=LIMIT)
    async with pool_of(worker, settings=settings) as (pool, _), in_background(ask(pool, "1"), ask(pool, "2")):
        await worker.chatting.wait()
        with pytest.raises(PoolFull) as caught:
            await ask(pool, "3")
        assert caught.value.retry_after


async def test_the_time_to_come_back_is_that_of_the_whole_queue_at_the_pace_of_the_accounts() -> None:
    one, other = ScriptedWorker("a"), ScriptedWorker("b")
    settings = PoolSettings(min_interval=6, queue_size=12, queue_limit=LIMIT)
    for workers, least, most in (((one,), 72, 120), ((one, other), 36, 60)):
        for worker in workers:
            worker.hold = asyncio.Event()
        names = [str(number) for number in range(12 + len(workers))]
        async with (
            pool_of(*workers, settings=settings) as (pool, facts),
            in_background(*(ask(pool, name) for name in names)),
        ):
            await facts.until(partial(queued, facts, len(names)))
            with pytest.raises(PoolFull) as caught:
                await ask(pool, "too many")
            assert caught.value.retry_after is not None
            assert least <= caught.value.retry_after <= most


async def test_a_rate_limit_always_says_when_to_come_back() -> None:
    worker = ScriptedWorker("a")
    raised = RateLimited("too often", sent=True)
    worker.chat_fails = [raised]
    async with pool_of(worker) as (pool, _):
        with pytest.raises(RateLimited) as caught:
            await ask(pool, "1")
        assert caught.value.retry_after == pytest.approx(90, abs=2)
        assert raised.retry_after is None  # others hold it, too: what the client is told is a copy


async def test_a_chat_that_waited_long_enough_is_told_how_the_accounts_stand() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    settings = PoolSettings(min_interval=0, queue_limit=0.05)
    async with pool_of(worker, settings=settings) as (pool, _), in_background(ask(pool, "1")):
        await worker.chatting.wait()
        with pytest.raises(PoolTimeout, match="a is ready"):
            await ask(pool, "2")


async def test_a_chat_of_which_nothing_was_sent_moves_to_another_account() -> None:
    broken, sound = ScriptedWorker("broken"), ScriptedWorker("sound")
    broken.chat_fails = [BrowserError("The page crashed.")]
    async with pool_of(broken, sound) as (pool, facts):
        assert await ask(pool, "moved") == "sound"
        changed = await facts.state("broken", WorkerState.BROKEN)
        assert changed.reason == "The page crashed."


async def test_a_chat_that_was_sent_is_never_sent_again() -> None:
    broken, sound = ScriptedWorker("broken"), ScriptedWorker("sound")
    broken.chat_fails = [BrowserError("The page crashed.", sent=True)]
    async with pool_of(broken, sound) as (pool, _):
        with pytest.raises(BrowserError):
            await ask(pool, "once")
        assert sound.answered == []


@pytest.mark.parametrize("error", [LoginRequired, HumanNeeded, Muted, RateLimited, SiteBusy, StalePage])
async def test_a_chat_whose_account_the_site_refused_moves_to_another_one(error: type[SiteError]) -> None:
    refused, other = ScriptedWorker("refused"), ScriptedWorker("other")
    refused.chat_fails = [error("no", sent=True)]
    async with pool_of(refused, other) as (pool, _):
        assert await ask(pool, "moved") == "other"


@pytest.mark.parametrize("error", [SiteError, SiteTimeout, SiteChanged, BrowserError])
async def test_a_chat_that_may_have_been_answered_is_not_sent_anywhere_again(error: type[BridgeError]) -> None:
    first, other = ScriptedWorker("first"), ScriptedWorker("other")
    first.chat_fails = [error("who knows", sent=True)]
    async with pool_of(first, other) as (pool, _):
        with pytest.raises(error):
            await ask(pool, "once")
        assert other.answered == []


@pytest.mark.slow
async def test_a_chat_that_a_stale_page_could_not_send_is_sent_once_more_by_a_page_loaded_anew() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [StalePage("code 40301", sent=True) for _ in range(4)]
    async with pool_of(worker) as (pool, _):
        with pytest.raises(StalePage):
            await ask(pool, "twice")
        assert len(worker.chat_fails) == 2
        worker.chat_fails = worker.chat_fails[:1]
        assert await ask(pool, "then") == "a"
        assert worker.opens == 4


async def test_a_chat_leaves_the_account_of_its_conversation_at_once_when_that_is_refused() -> None:
    home, other = ScriptedWorker("home"), ScriptedWorker("other")
    home.opened_as = Opened("c-1", "2")
    other.open_fails = [RateLimited("not yet", retry_after=0.05)]
    async with pool_of(home, other, ready=False) as (pool, facts):
        await facts.state("home", WorkerState.READY)
        await facts.state("other", WorkerState.RESTING)
        await ask(pool, "one")
        await facts.state("other", WorkerState.READY)
        home.chat_fails = [RateLimited("too often", retry_after=1, sent=True)]
        assert await answer(pool, going_on("one", "home", "two")) == "other"
        assert home.places == [None, ConversationPosition("home", "c-1", "2")]


async def start(pool: Pool, chat: ChatRequest) -> ConversationStart | None:
    """Answer a chat, and return how its conversation started."""
    async with asyncio.timeout(LIMIT), aclosing(pool.chat(chat)) as events:
        opened = [event async for event in events if isinstance(event, Opened)]
    return opened[0].start


async def test_an_answer_says_whether_its_conversation_goes_on_or_why_it_is_a_new_one() -> None:
    home, other = ScriptedWorker("home"), ScriptedWorker("other")
    home.opened_as, other.opened_as = Opened("c-1", "2"), Opened("c-9", "2")
    other.open_fails = [LoginRequired("not yet")]
    async with pool_of(home, other, ready=False) as (pool, facts):
        await facts.state("home", WorkerState.READY)
        assert await start(pool, request("one")) == "new"
        assert await start(pool, going_on("one", "home", "two")) == "continued"
        assert await start(pool, going_on("never", "said", "two")) == "new"
        await ask(pool, "three")
        home.opened_as = Opened("c-2", "2")
        assert await start(pool, going_on("three", "home", "four")) == "lost"
        await ask(pool, "five")
        home.chat_fails = [UnknownConversation("biz_code 1", sent=True)]
        assert await start(pool, going_on("five", "home", "six")) == "lost"
        await ask(pool, "seven")
        other.logged_in.set()
        await facts.state("other", WorkerState.READY)
        home.chat_fails = [RateLimited("too often", retry_after=LIMIT, sent=True)]
        assert await start(pool, going_on("seven", "home", "eight")) == "account"


async def test_a_history_whose_conversation_the_site_has_lost_is_sent_anew_as_a_whole() -> None:
    worker = ScriptedWorker("a")
    worker.opened_as = Opened("c-1", "2")
    async with pool_of(worker) as (pool, _):
        await ask(pool, "one")
        worker.opened_as = Opened("c-2", "2")
        worker.chat_fails = [UnknownConversation("biz_code 1", sent=True)]
        assert await answer(pool, going_on("one", "a", "two")) == "a"
        assert worker.places == [None, ConversationPosition("a", "c-1", "2"), None]
        worker.chat_fails = [UnknownConversation("biz_code 1", sent=True) for _ in range(4)]
        with pytest.raises(SiteError, match="biz_code 1"):
            await ask(pool, "never")
        assert len(worker.chat_fails) == 2


async def test_a_conversation_that_a_client_names_and_the_site_has_lost_is_not_found() -> None:
    worker = ScriptedWorker("a")
    worker.opened_as = Opened("c-1", "2")
    async with pool_of(worker) as (pool, facts):
        await ask(pool, "one")
        named = replace(request("two"), conversation="c-1@2")
        worker.chat_fails = [UnknownConversation("biz_code 1", sent=True)]
        for _ in range(2):  # the second time it is known to be gone
            with pytest.raises(UnknownConversation):
                await answer(pool, named)
        assert worker.places == [None, ConversationPosition("a", "c-1", "2")]
        assert [fact.state for fact in facts if isinstance(fact, WorkerChanged)] == [WorkerState.READY]


async def test_a_page_that_a_chat_left_by_an_unexpected_failure_is_opened_anew() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [KeyError("text of a chat")]
    async with pool_of(worker) as (pool, facts):
        with pytest.raises(KeyError):
            await ask(pool, "unlucky")
        changed = await facts.state("a", WorkerState.BROKEN)
        assert changed.reason == "A chat failed unexpectedly: KeyError."
        assert await ask(pool, "next") == "a"
        assert worker.opens == 2


async def test_a_refused_chat_never_waits_to_be_sent_by_the_same_account_again() -> None:
    worker, muted = ScriptedWorker("a"), ScriptedWorker("muted")
    worker.chat_fails = [RateLimited("too often", retry_after=0.01, sent=True)]
    muted.open_fails = [Muted("muted")]
    async with pool_of(worker, muted, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.READY)
        await facts.state("muted", WorkerState.MUTED)
        with pytest.raises(RateLimited):
            await ask(pool, "once")
        assert worker.answered == []


@pytest.mark.slow
async def test_a_chat_is_given_up_after_three_accounts_that_could_not_send_it() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [BrowserError(f"try {number}") for number in (1, 2, 3, 4)]
    async with pool_of(worker) as (pool, _):
        with pytest.raises(BrowserError, match="try 3"):
            await ask(pool, "unlucky")


async def test_a_chat_is_not_given_again_to_a_page_that_is_not_what_the_driver_knows() -> None:
    strange, known = ScriptedWorker("a"), ScriptedWorker("b")
    strange.chat_fails = [SiteChanged("no switch"), SiteChanged("no switch")]
    async with pool_of(strange) as (pool, _):
        with pytest.raises(SiteChanged, match="no switch"):
            await ask(pool, "alone")
        assert len(strange.chat_fails) == 1
    async with pool_of(strange, known) as (pool, _):
        assert await ask(pool, "in company") == "b"


async def test_an_account_that_broke_is_opened_again_and_answers() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker) as (pool, facts):
        worker.give_up(BrowserError("The page crashed."))
        await facts.state("a", WorkerState.BROKEN)
        assert await ask(pool, "after") == "a"
        assert worker.opens == 2


async def test_an_account_that_a_chat_took_out_is_not_taken_out_again_by_the_loss_of_its_page() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [SiteChanged("no switch")]
    async with pool_of(worker) as (pool, facts):
        with pytest.raises(SiteChanged):
            await ask(pool, "unlucky")
        await until(lambda: not pool._supervisor.slots[0].is_open)
        known = [fact.state for fact in facts if isinstance(fact, WorkerChanged)]
        assert known == [WorkerState.READY, WorkerState.BROKEN]


async def test_why_no_account_can_answer_names_none_of_another_site() -> None:
    out, other = ScriptedWorker("a"), ScriptedWorker("b")
    out.chat_fails, other.models = [LoginRequired("It is signed out.")], (Model("other"),)
    async with pool_of(out, other) as (pool, _):
        with pytest.raises(LoginRequired):
            await ask(pool, "1")
        with pytest.raises(NoAccount) as none:
            await ask(pool, "2")
        assert none.value.message == "No account can answer now: a is logged_out (It is signed out.)."


async def test_a_signed_out_account_gets_no_chat_until_somebody_logs_it_in() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [LoginRequired("The account is signed out.", sent=True)]
    async with pool_of(worker) as (pool, facts):
        with pytest.raises(LoginRequired):
            await ask(pool, "1")
        with pytest.raises(NoAccount, match=r"a is logged_out \(The account is signed out\.\)"):
            await ask(pool, "2")
        assert pool.unready() is not None
        await facts.state("a", WorkerState.LOGGED_OUT)
        worker.logged_in.set()
        await facts.until(lambda: pool.unready() is None)
        assert await ask(pool, "3") == "a"
        assert worker.answered == ["3"]


async def test_a_muted_account_names_its_end_and_another_one_answers_meanwhile() -> None:
    muted, other = ScriptedWorker("muted"), ScriptedWorker("other")
    until = datetime.now(UTC) + timedelta(hours=9)
    muted.chat_fails = [Muted("muted", until=until, sent=True)]
    async with pool_of(muted, other) as (pool, facts):
        assert [await ask(pool, str(number)) for number in range(3)] == ["other"] * 3
        assert (await facts.state("muted", WorkerState.MUTED)).until == until


async def test_without_any_account_to_come_back_soon_the_earliest_time_is_named() -> None:
    first, second = ScriptedWorker("a"), ScriptedWorker("b")
    soon = datetime.now(UTC) + timedelta(hours=1)
    first.open_fails = [Muted("muted", until=soon)]
    second.open_fails = [Muted("muted", until=soon + timedelta(hours=5))]
    async with pool_of(first, second, ready=False) as (pool, facts):
        await facts.state("a", WorkerState.MUTED)
        await facts.state("b", WorkerState.MUTED)
        with pytest.raises(NoAccount) as caught:
            await ask(pool, "1")
        assert caught.value.until == soon
        assert caught.value.retry_after == pytest.approx(3600, abs=10)


async def test_a_short_rest_is_waited_for() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [RateLimited("too often", retry_after=0.05, sent=True)]
    async with pool_of(worker) as (pool, _):
        with pytest.raises(RateLimited):
            await ask(pool, "1")
        assert await ask(pool, "2") == "a"


async def test_a_bad_request_changes_nothing_about_the_account() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [RequestError("too long"), SiteError("no such conversation")]
    async with pool_of(worker) as (pool, facts):
        for _ in range(2):
            with pytest.raises((RequestError, SiteError)):
                await ask(pool, "1")
        assert await ask(pool, "2") == "a"
        assert [fact.state for fact in facts if isinstance(fact, WorkerChanged)] == [WorkerState.READY]


async def test_two_sends_of_an_account_keep_the_minimum_interval() -> None:
    worker = ScriptedWorker("a")
    async with pool_of(worker, settings=PoolSettings(min_interval=0.2, queue_limit=LIMIT)) as (pool, _):
        clock = asyncio.get_running_loop().time
        begin = clock()
        await ask(pool, "1")
        await ask(pool, "2")
        assert clock() - begin >= 0.2


async def test_draining_ends_the_queue_at_once_and_lets_running_chats_finish() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts), asyncio.TaskGroup() as group:
        running = group.create_task(ask(pool, "running"))
        await worker.chatting.wait()
        waiting = asyncio.gather(ask(pool, "waiting"), return_exceptions=True)
        await facts.until(
            lambda: len(pool.accounts()) == 1 and sum(isinstance(fact, ChatQueued) for fact in facts) == 2
        )
        drained = group.create_task(pool.queue.drain(LIMIT))
        (refused,) = await waiting
        assert isinstance(refused, NoAccount)
        assert pool.unready() == "The bridge is stopping."
        with pytest.raises(NoAccount):
            await ask(pool, "late")
        worker.hold.set()
        await drained
        assert running.result() == "a"


async def test_draining_interrupts_a_chat_that_takes_too_long_and_lets_it_put_things_away() -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with pool_of(worker) as (pool, facts), in_background(stopped(pool, "endless")) as (chat,):
        await worker.chatting.wait()
        await pool.queue.drain(0.01)
        await chat
        assert worker.interrupted is not None
        assert any(isinstance(fact, ChatEnded) for fact in facts)


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_hurried_end_tells_running_chats_that_the_bridge_is_stopping_in_place_of_waiting(
    is_early: bool,
) -> None:
    worker = ScriptedWorker("a")
    worker.hold = asyncio.Event()
    async with (
        pool_of(worker) as (pool, facts),
        asyncio.timeout(LIMIT),
        in_background(stopped(pool, "endless")) as (chat,),
    ):
        await worker.chatting.wait()
        told = [pool.queue.hurry()] if is_early else []
        draining = asyncio.get_running_loop().create_task(pool.queue.drain(1000 * LIMIT))
        await asyncio.sleep(0)
        told += [pool.queue.hurry()]
        await chat
        await draining
        assert told == ([True, False] if is_early else [True])
        assert any(isinstance(fact, ChatEnded) for fact in facts)
        assert not pool.queue.hurry()


async def stopped(pool: Pool, name: str) -> None:
    with pytest.raises(PoolError, match="stopping"):
        await ask(pool, name)


async def test_a_pool_without_accounts_says_how_to_get_one() -> None:
    async with pool_of() as (pool, _):
        assert "bridge login" in (pool.unready() or "")
        with pytest.raises(NoAccount, match="bridge login"):
            pool.model("deepseek-chat")
        with pytest.raises(NoAccount, match="bridge login"):
            pool.first_model()


async def test_an_unknown_model_is_named_with_those_that_exist() -> None:
    async with pool_of(ScriptedWorker("a")) as (pool, _):
        assert pool.model("deepseek-chat-r1").thinking
        with pytest.raises(UnknownModel, match="deepseek-chat"):
            pool.model("gpt-4o")
        assert pool.first_model().id == "deepseek-chat"


async def test_a_mute_is_kept_over_a_restart_and_the_account_is_not_even_opened(tmp_path: Path) -> None:
    before, after = ScriptedWorker("a"), ScriptedWorker("a")
    until = datetime.now(UTC) + timedelta(hours=9)
    before.chat_fails = [Muted("You are muted.", until=until, sent=True)]
    async with pool_of(before, config=tmp_path) as (pool, _):
        with pytest.raises(Muted):
            await ask(pool, "1")
    async with pool_of(after, config=tmp_path, ready=False) as (pool, facts):
        changed = await facts.state("a", WorkerState.MUTED)
        assert (changed.until, changed.reason) == (until, "You are muted.")
        with pytest.raises(NoAccount, match="You are muted"):
            await ask(pool, "2")
        assert after.opens == 0


async def test_a_state_that_cannot_be_written_hides_nothing_of_what_the_site_said(tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    (tmp_path / "parked.json").mkdir()
    worker = ScriptedWorker("a")
    worker.chat_fails = [Muted("You are muted.", sent=True)]
    async with pool_of(worker, config=tmp_path) as (pool, facts):
        with pytest.raises(Muted):
            await ask(pool, "1")
        await facts.state("a", WorkerState.MUTED)
        with pytest.raises(NoAccount, match="You are muted"):
            await ask(pool, "2")
    logger.remove(sink)
    assert [line for line in lines if "Cannot save the states of accounts" in line] != []


async def test_an_account_that_recovered_is_not_parked_after_a_restart(tmp_path: Path) -> None:
    before, after = ScriptedWorker("a"), ScriptedWorker("a")
    before.chat_fails = [RateLimited("too often", retry_after=0.05, sent=True)]
    async with pool_of(before, config=tmp_path) as (pool, _):
        with pytest.raises(RateLimited):
            await ask(pool, "1")
        assert await ask(pool, "2") == "a"
    async with pool_of(after, config=tmp_path) as (pool, _):
        assert await ask(pool, "3") == "a"


async def test_an_account_rests_when_its_budget_of_an_hour_is_used() -> None:
    worker = ScriptedWorker("a")
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=3)
    async with pool_of(worker, settings=settings) as (pool, facts):
        for number in range(3):
            assert await ask(pool, str(number)) == "a"
        changed = await facts.state("a", WorkerState.RESTING)
        assert changed.until is not None
        assert changed.until - datetime.now(UTC) > timedelta(minutes=59)
        with pytest.raises(NoAccount, match="quota"):
            await ask(pool, "one too many")


async def test_what_is_used_of_a_budget_is_kept_over_a_restart(tmp_path: Path) -> None:
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=3)
    async with pool_of(ScriptedWorker("a"), settings=settings, config=tmp_path) as (pool, _):
        await ask(pool, "1")
        await ask(pool, "2")
    assert (tmp_path / "sends.json").stat().st_mode & 0o777 == 0o600
    async with pool_of(ScriptedWorker("a"), settings=settings, config=tmp_path) as (pool, facts):
        await ask(pool, "3")
        await facts.state("a", WorkerState.RESTING)
    (tmp_path / "parked.json").unlink()
    again = ScriptedWorker("a")
    async with pool_of(again, settings=settings, config=tmp_path, ready=False) as (pool, facts):
        assert "quota" in (await facts.state("a", WorkerState.RESTING)).reason
        assert again.opens == 0


async def test_sends_that_cannot_be_kept_change_nothing_about_a_chat(tmp_path: Path) -> None:
    (tmp_path / "sends.json").mkdir()
    async with pool_of(ScriptedWorker("a"), config=tmp_path) as (pool, _):
        assert await ask(pool, "1") == "a"


async def test_what_is_left_of_the_budgets_is_told_for_all_accounts_that_can_use_theirs() -> None:
    first, second, out = ScriptedWorker("a"), ScriptedWorker("b"), ScriptedWorker("c")
    out.open_fails = [LoginRequired("out")]
    settings = PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=3, turns_per_day=50)
    async with pool_of(first, second, out, settings=settings, ready=False) as (pool, facts):
        for name, state in (("a", WorkerState.READY), ("b", WorkerState.READY), ("c", WorkerState.LOGGED_OUT)):
            await facts.state(name, state)
        assert pool.rate_limit(request("0")) == RateLimit(6, 6, 0)
        for number in range(4):
            await ask(pool, str(number))
        left = pool.rate_limit(request("5"))
        assert left is not None
        assert (left.limit, left.remaining) == (6, 2)
        assert 3590 < left.reset <= 3600
        first.hold = second.hold = asyncio.Event()
        asking = asyncio.gather(ask(pool, "6"))
        await facts.until(lambda: first.running + second.running)
        assert (left := pool.rate_limit(request("7"))) is not None
        assert left.remaining == 1
        first.hold.set()
        await asking


async def test_without_budgets_there_is_no_limit_to_tell() -> None:
    async with pool_of(ScriptedWorker("a")) as (pool, _):
        assert pool.rate_limit(request("0")) is None


@pytest.mark.slow
async def test_after_a_rest_an_account_starts_more_slowly() -> None:
    worker = ScriptedWorker("a")
    worker.chat_fails = [RateLimited("too often", retry_after=0.01, sent=True)]
    async with pool_of(worker, settings=PoolSettings(min_interval=0.2, queue_limit=LIMIT)) as (pool, facts):
        with pytest.raises(RateLimited):
            await ask(pool, "0")
        for number in range(1, 6):
            await ask(pool, str(number))
        pauses = [fact.marks["started"] for fact in facts if isinstance(fact, ChatEnded)][2:]
        assert pauses[0] >= 3 * 0.2
        assert pauses[-1] < 3 * 0.2
