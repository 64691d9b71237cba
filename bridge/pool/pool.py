"""The pool: answers chats on free accounts, and carries out the operator's actions on accounts.

`ChatQueue` has the waiting chats and the accounts' leases, `Supervisor` keeps the accounts open, and `Roster` adds and
removes them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from loguru import logger

from bridge.chat.account_control import Archive
from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import Account, ChatEvent, ChatRequest, Model
from bridge.errors import AccountConflict, BridgeError, ChatCancelled
from bridge.pool.account import AWAY, NOBODY, PoolWorker, Slot, readiness
from bridge.pool.account_record import KnownAccounts
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.dispatcher import Dispatcher
from bridge.pool.idle_loan import lending
from bridge.pool.open_accounts import OpenAccounts
from bridge.pool.roster import LOOK_EVERY, Roster, StoredAccounts
from bridge.pool.served_models import ServedModels
from bridge.pool.supervisor import CHECK_LIMIT, Supervisor
from bridge.pool.token_accounts import TokenAccounts, TokenSite
from bridge.pool.visit_admission import admit_visit
from bridge.settings import Settings
from bridge.storage.account_states import StoredAccountStates
from bridge.storage.conversations import Conversations
from bridge.storage.send_times import SendLog
from bridge.storage.zip_archive import in_folder, zipped
from bridge.tasks import Tasks
from bridge.telemetry import Telemetry, WorkerState

OPENING_STEPS = 4
"""Steps of an opening that each have the limit `turn.ready`: the browser, its context, the page, the site."""
ASKED = "The operator has closed it; a chat that needs it opens it."
CANCELLED = "The operator of the bridge has ended the chat."


class Pool:
    """The accounts of a bridge: a `ChatBackend` and an `AccountControl`. It runs while its context is open."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        settings: Settings,
        telemetry: Telemetry,
        tokens: TokenSite | None = None,
        stored: StoredAccounts | None = None,
        look_every: float = LOOK_EVERY,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        parked, sends = StoredAccountStates(settings.config, now), SendLog(settings.config, now)
        self.queue = ChatQueue(lambda: self._supervisor.slots, settings.pool, settings.turn.stop)
        open_limit = OPENING_STEPS * settings.turn.ready
        self._supervisor = Supervisor(workers, telemetry, self.queue.assign, settings.pool, parked, sends, open_limit)
        self.open_accounts = OpenAccounts(self._supervisor, self.queue, settings.sleep, clock)
        self.served = ServedModels(lambda: self._supervisor.slots, tokens.models if tokens else ())
        self._token_accounts = TokenAccounts(tokens, settings.tokens, self._supervisor, self.queue.wants)
        self.conversations = Conversations(settings.config / "conversations.db", settings.conversations, now)
        self._dispatcher = Dispatcher(
            self._supervisor,
            self.queue,
            self._token_accounts,
            self.conversations,
            settings.conversations,
            telemetry,
            settings.turn.ready,
        )
        self._roster = Roster(self._supervisor, self.queue, self.conversations, stored, look_every)
        self.known, self.look_now = KnownAccounts(parked, sends), self._roster.look_now
        self._tasks = Tasks()

    async def __aenter__(self) -> Pool:
        await self.conversations.open()
        self.open_accounts.start()
        await self._supervisor.__aenter__()
        await self._roster.start()
        self._token_accounts.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self.open_accounts.close()
        await self._token_accounts.close()
        await self._roster.close()
        await self._supervisor.__aexit__()
        await self.queue.close()
        await self.conversations.close()

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat as soon as an account is free; see `ChatBackend.chat`."""
        return self._dispatcher.chat(request)

    def models(self) -> Sequence[Model]:
        """Return the models that are listed; see `ServedModels`."""
        return self.served.listed()

    def model(self, name: str) -> Model:
        """Return the model `name` of the first site that knows it; raise `UnknownModel`."""
        return self.served.named(name)

    def first_model(self) -> Model:
        """Return the first model of the first site; raise `NoAccount` if there is none."""
        return self.served.first()

    async def is_live(self, token: str) -> bool:
        """Tell whether a client's login is still valid; see `ChatBackend`."""
        return await self._token_accounts.is_live(token)

    def accounts(self) -> list[Account]:
        """Return the state of every account."""
        busy = self.queue.busy()
        return [_account(slot, busy) for slot in self._supervisor.slots]

    async def check(self, name: str) -> Account:
        """Check an account now and return its state; see `AccountControl`."""
        return self._account_now(await self._supervisor.check(name))

    async def pause(self, name: str) -> Account:
        """Give the account no new chats; see `AccountControl`."""
        return self._account_now(self._supervisor.pause(name, is_paused=True))

    async def resume(self, name: str) -> Account:
        """Give a paused account chats again; see `AccountControl`."""
        return self._account_now(self._supervisor.pause(name, is_paused=False))

    async def reopen(self, name: str) -> Account:
        """Close the account and open it again; see `AccountControl`."""
        slot = self._supervisor.named(name, own=False)
        return await self._when_free(slot, lambda: self._supervisor.reopen(slot))

    async def wake(self, name: str) -> Account:
        """Open a sleeping account now; see `AccountControl`."""
        slot = self._supervisor.named(name)
        return self._account_now(await self._supervisor.check(name) if slot.state is WorkerState.ASLEEP else slot)

    async def sleep(self, name: str) -> Account:
        """Close the account's page until a chat needs it; see `AccountControl`."""
        slot = self._supervisor.named(name)
        if slot.state is WorkerState.STARTING:
            await self._supervisor.known(slot, slot.looks)
        if slot.state is WorkerState.ASLEEP:
            return self._account_now(slot)
        if slot.state is not WorkerState.READY:
            raise AccountConflict(f"The account has no open page to close: {self._account_now(slot)}.")

        async def put_to_sleep() -> None:
            self._supervisor.put_to_sleep(slot, ASKED)

        return await self._when_free(slot, put_to_sleep)

    async def renew(self, name: str) -> Account:
        """Replace the account's page by a new one; see `AccountControl`."""
        slot = self._supervisor.named(name, own=False)
        if slot.state is not WorkerState.READY:
            raise AccountConflict(f"The account has no open page to renew: {self._account_now(slot)}.")
        return await self._when_free(slot, slot.worker.renew)

    async def add(self, name: str) -> Account:
        """Open the stored profile of that name; see `AccountControl`."""
        if any(slot.worker.name == name for slot in self._supervisor.own):
            return await self.reopen(name)
        return self._account_now(await self._roster.add(name))

    async def remove(self, name: str) -> None:
        """Close the account and delete its profile; see `AccountControl`."""
        await self._roster.remove(self._supervisor.named(name))

    async def give_away(self, name: str, closing: Callable[[], None]) -> None:
        """Close the account once its chat has ended, and keep its stored data; see `Roster.give_away`."""
        await self._roster.give_away(self._supervisor.named(name), closing)

    def expect_moves(self, ending: BridgeError) -> None:
        """End chats whose account is no longer stored with `ending`, as it has moved and was not removed."""
        self._roster.gone = ending

    async def rename(self, name: str, to: str) -> Account:
        """Rename the account and its profile; see `AccountControl`."""
        return self._account_now(await self._roster.rename(self._supervisor.named(name), to))

    async def bundle(self, name: str) -> Archive:
        """Write a diagnostic bundle of the account's open page; see `AccountControl`."""
        folder = await self._supervisor.named(name, own=False).worker.bundle()
        return Archive(folder.name, await asyncio.to_thread(lambda: zipped(in_folder(folder))))

    async def thumbnail(self, name: str) -> bytes | None:
        """Return a small JPEG of the account's page; see `AccountControl`."""
        return await self._supervisor.named(name, own=False).worker.thumbnail()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Visit]:
        """Hold the account back from chats while a person uses its page; see `AccountControl`."""
        async with admit_visit(self._supervisor, self.queue, self._tasks, name) as visit:
            yield visit

    @asynccontextmanager
    async def lent(self, name: str) -> AsyncGenerator[PoolWorker]:
        """Hold an idle open account back from chats for a check; see `lending`."""
        async with lending(self._supervisor, self.queue, name) as worker:
            yield worker

    async def drain(self, limit: float) -> None:
        """Take no more chats, and give the running ones `limit` seconds to end."""
        await self.queue.drain(limit)

    async def ended_elsewhere(self) -> None:
        """Return at once, as no other nodes answer chats."""

    def hurry(self) -> bool:
        """Stop waiting for the running chats; see `ChatQueue.hurry`."""
        return self.queue.hurry()

    def own(self) -> Sequence[Slot]:
        """Return the operator's own accounts."""
        return self._supervisor.own

    def worker(self, name: str) -> PoolWorker | None:
        """Return the worker of one of the operator's own accounts, or None if there is none of that name."""
        return next((slot.worker for slot in self._supervisor.own if slot.worker.name == name), None)

    def cancel(self, chat: str) -> bool:
        """End a waiting or running chat; see `AccountControl`."""
        return self.queue.cancel(chat, ChatCancelled(CANCELLED))

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return the remaining quota of the accounts that can take chats like `request`; see `ChatBackend`."""
        busy = self.queue.busy()
        slots = self._token_accounts.known(request.tokens) if request.tokens else self._dispatcher.allowed(request)
        slots = [slot for slot in slots if slot.serves(request.model) and slot.state not in AWAY and not slot.is_paused]
        return self._supervisor.quota.left([(slot.sends, slot in busy) for slot in slots])

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return the place of a chat that waits; see `ChatBackend`."""
        return self.queue.place_of(request.id)

    def unready(self) -> str | None:
        """Return why the pool can take no chat now, or None."""
        if self.queue.is_draining:
            return "The bridge is stopping."
        if not (own := self._supervisor.own):
            return None if self._token_accounts.is_enabled else NOBODY
        if any(slot.takes_chats or slot.can_wake for slot in own):
            return None
        return f"No account is ready: {readiness(own)}."

    async def reopen_idle(self, slot: Slot) -> None:
        """Reopen an account, after its chat if it has one, and hold it back from chats meanwhile."""
        async with self.queue.claimed(slot):
            if slot.state is WorkerState.READY:
                await self._supervisor.reopen(slot)

    @asynccontextmanager
    async def borrowed(self, slot: Slot) -> AsyncGenerator[None]:
        """Hold an idle account back from chats; a `BridgeError` has the same effect on it as in a chat."""
        async with self.queue.borrowed(slot):
            try:
                yield
            except BridgeError as error:
                self._supervisor.take_out(slot, error)
                raise

    def _account_now(self, slot: Slot) -> Account:
        return _account(slot, self.queue.busy())

    async def _when_free(self, slot: Slot, work: Callable[[], Awaitable[None]]) -> Account:
        """Do `work` on an account once its chat has ended; return its state then, or at once if a chat runs."""
        failed: list[BridgeError] = []

        async def do() -> None:
            async with self.queue.claimed(slot):
                try:
                    await work()
                except BridgeError as error:
                    logger.warning("An operation on the account {} failed: {}", slot.worker.name, error.message)
                    self._supervisor.take_out(slot, error)
                    failed.append(error)

        is_busy = slot in self.queue.busy()
        doing = self._tasks.start(do())
        if not is_busy:
            await asyncio.wait({doing}, timeout=CHECK_LIMIT)
        if failed:
            raise failed[0]
        return self._account_now(slot)


def _account(slot: Slot, busy: Collection[Slot | None]) -> Account:
    return slot.account(is_busy=slot in busy and slot.visitor is None)
