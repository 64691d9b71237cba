"""Hands each chat to an account that is free to answer it, and does with the accounts what their operator wants.

What waits and who has which account is in `ChatQueue`, what keeps the accounts open in `Accounts`, and which accounts
there are in `Roster`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from loguru import logger

from bridge.chat.types import Account, ChatEvent, ChatRequest, Finish, Model, RateLimit
from bridge.chat.visit import Visit
from bridge.errors import AccountConflict, BridgeError, BrowserError, ChatCancelled, SiteError, UnknownConversation
from bridge.pool.account import AWAY, NOBODY, PoolWorker, Slot, standing
from bridge.pool.chat_progress import Progress
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.error_policy import Again, may_go_on, rule_of
from bridge.pool.lease import Lease
from bridge.pool.roster import Roster, StoredAccounts
from bridge.pool.supervisor import CHECK_LIMIT, Accounts
from bridge.pool.token_accounts import Guests, TokenSite, name_of
from bridge.pool.visit_admission import visiting
from bridge.settings import Settings
from bridge.storage.account_states import ParkedAccounts
from bridge.storage.conversation_file import NOT_HERE, Place
from bridge.storage.conversations import Conversations, Note
from bridge.storage.send_times import SendLog
from bridge.tasks import Tasks
from bridge.telemetry import ChatQueued, ChatStarted, Telemetry, Timeline, WorkerState

MOVES = 3
"""How often a chat may be given to an account, as long as nothing of it was sent."""
CANCELLED = "The operator of the bridge has ended the chat."


class Pool:
    """The accounts; a `ChatBackend` and an `AccountControl`. Runs while it is entered as a context manager."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        settings: Settings,
        telemetry: Telemetry,
        tokens: TokenSite | None = None,
        stored: StoredAccounts | None = None,
    ) -> None:
        parked, models = ParkedAccounts(settings.config), tokens.models if tokens else ()
        sends = SendLog(settings.config)
        self.queue = ChatQueue(lambda: self._accounts.slots, settings)
        self._accounts = Accounts(workers, telemetry, self.queue.assign, settings.pool, parked, sends, models)
        self._guests = Guests(tokens, settings.tokens, self._accounts, self.queue.wants)
        self.conversations = Conversations(settings.config / "conversations.db", settings.conversations)
        self._roster = Roster(self._accounts, self.queue, self.conversations, stored)
        self._settings = settings
        self._telemetry = telemetry
        self._tasks = Tasks()

    async def __aenter__(self) -> Pool:
        await self.conversations.open()
        await self._accounts.__aenter__()
        await self._roster.start()
        self._guests.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self._guests.close()
        await self._roster.close()
        await self._accounts.__aexit__()
        await self.queue.close()
        await self.conversations.close()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat as soon as an account is free; see `ChatBackend.chat`."""
        timeline = Timeline(request.id, request.model.id)
        progress = Progress(request, timeline, self._telemetry)
        result, reason = "cancelled", ""
        try:
            async with aclosing(self._answer(request, timeline)) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        result = event.reason
                    progress.hear(event)
                    yield event
        except BridgeError as error:
            if result == "cancelled":  # else the client has its answer, and the error is about the account
                result, reason, progress.bundle = error.code, error.message, error.bundle
            raise
        finally:
            progress.end(result, reason)

    def models(self) -> Sequence[Model]:
        """Return the models that are listed; see `Accounts.models`."""
        return self._accounts.models()

    def model(self, name: str) -> Model:
        """Return what `name` means on the first site that knows it; raises `UnknownModel`."""
        return self._accounts.model(name)

    async def is_live(self, token: str) -> bool:
        """Tell whether a client's login still counts; see `ChatBackend`."""
        return await self._guests.is_live(token)

    def accounts(self) -> list[Account]:
        """Return how the accounts stand."""
        busy = self.queue.busy()
        return [_account(slot, busy) for slot in self._accounts.slots]

    async def check(self, name: str) -> Account:
        """Look again now how an account stands; see `AccountControl`."""
        return self._standing(await self._accounts.check(name))

    async def pause(self, name: str) -> Account:
        """Give the account no new chats; see `AccountControl`."""
        return self._standing(self._accounts.pause(name, is_paused=True))

    async def resume(self, name: str) -> Account:
        """Give a paused account chats again; see `AccountControl`."""
        return self._standing(self._accounts.pause(name, is_paused=False))

    async def reopen(self, name: str) -> Account:
        """Close the account and open it again; see `AccountControl`."""
        slot = self._accounts.named(name, own=False)
        return await self._when_free(slot, lambda: self._accounts.reopen(slot))

    async def renew(self, name: str) -> Account:
        """Put a new page in the place of the account's page; see `AccountControl`."""
        slot = self._accounts.named(name, own=False)
        if slot.state is not WorkerState.READY:
            raise AccountConflict(f"The account has no open page to renew: {self._standing(slot)}.")
        return await self._when_free(slot, slot.worker.renew)

    async def add(self, name: str) -> Account:
        """Open the stored profile of that name; see `AccountControl`."""
        if any(slot.worker.name == name for slot in self._accounts.own):
            return await self.reopen(name)
        return self._standing(await self._roster.add(name))

    async def remove(self, name: str) -> None:
        """Close the account and delete its profile; see `AccountControl`."""
        await self._roster.remove(self._accounts.named(name))

    async def rename(self, name: str, to: str) -> Account:
        """Give the account and its profile another name; see `AccountControl`."""
        return self._standing(await self._roster.rename(self._accounts.named(name), to))

    async def bundle(self, name: str) -> Path:
        """Write a diagnostic bundle of the account's open page; see `AccountControl`."""
        return await self._accounts.named(name, own=False).worker.bundle()

    async def thumbnail(self, name: str) -> bytes | None:
        """Return a small JPEG of the account's page; see `AccountControl`."""
        return await self._accounts.named(name, own=False).worker.thumbnail()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[Visit]:
        """Keep chats away from the account while a person is in its page; see `AccountControl`."""
        async with visiting(self._accounts, self.queue, self._tasks, name) as visit:
            yield visit

    def worker(self, name: str) -> PoolWorker | None:
        """Return what works an account of the operator's own, or None where there is none of that name."""
        return next((slot.worker for slot in self._accounts.own if slot.worker.name == name), None)

    def cancel(self, chat: str) -> bool:
        """End a waiting or running chat; see `AccountControl`."""
        return self.queue.cancel(chat, ChatCancelled(CANCELLED))

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what the settings still allow the accounts that can take chats like `request`; see `ChatBackend`."""
        busy = self.queue.busy()
        slots = self._guests.known(request.tokens) if request.tokens else self._accounts.own
        slots = [slot for slot in slots if slot.serves(request.model) and slot.state not in AWAY and not slot.is_paused]
        return self._accounts.budget.left([(slot.sends, slot in busy) for slot in slots])

    def unready(self) -> str | None:
        """Return why no chat could be taken now, or None."""
        if self.queue.is_draining:
            return "The bridge is stopping."
        if not (own := self._accounts.own):
            return None if self._guests.are_welcome else NOBODY
        if any(slot.takes_chats for slot in own):
            return None
        return f"No account is ready: {standing(own)}."

    @asynccontextmanager
    async def borrowed(self, slot: Slot) -> AsyncGenerator[None]:
        """Keep chats away from an idle account; a `BridgeError` means for it what it does in a chat."""
        async with self.queue.borrowed(slot):
            try:
                yield
            except BridgeError as error:
                self._accounts.take_out(slot, error)
                raise

    def _standing(self, slot: Slot) -> Account:
        return _account(slot, self.queue.busy())

    async def _when_free(self, slot: Slot, work: Callable[[], Awaitable[None]]) -> Account:
        """Do something with an account when its chat has left; return how it stands, before that if a chat runs."""
        failed: list[BridgeError] = []

        async def do() -> None:
            async with self.queue.claimed(slot):
                try:
                    await work()
                except BridgeError as error:
                    logger.warning("What was asked for {} failed: {}", slot.worker.name, error.message)
                    self._accounts.take_out(slot, error)
                    failed.append(error)

        is_busy = slot in self.queue.busy()
        doing = self._tasks.start(do())
        if not is_busy:
            await asyncio.wait({doing}, timeout=CHECK_LIMIT)
        if failed:
            raise failed[0]
        return self._standing(slot)

    async def _answer(self, request: ChatRequest, timeline: Timeline) -> AsyncGenerator[ChatEvent]:
        """Answer on the first account that takes the chat; the policy says when another try is allowed."""
        timeline.mark("queued")
        place = await self.conversations.find(request, self._names(request))
        lease = self._lease(request, place)
        self._telemetry.emit(ChatQueued(request.id, request.model.id, self.queue.enter(lease)))
        deadline = time.monotonic() + self._settings.pool.queue_limit
        has_begun = False
        try:
            for moves_left in reversed(range(MOVES)):
                slot = await self.queue.granted(lease, deadline)
                timeline.account = slot.worker.name
                timeline.mark("started")
                self._telemetry.emit(ChatStarted(request.id, slot.worker.name))
                try:
                    async with aclosing(self._noted(request, timeline, slot, lease)) as events:
                        async for event in events:
                            has_begun = True
                            yield event
                    self.queue.answered(lease)
                    return
                except BridgeError as error:
                    self._accounts.take_out(slot, error)
                    if lease.error is not None:  # it was cancelled meanwhile
                        raise lease.error from error
                    if has_begun or not moves_left or not may_go_on(error) or not lease.give_back(error):
                        raise
                    timeline.forget("sent")
                    deadline += time.monotonic() - lease.since  # only what it waits counts
                    self.queue.assign()
                except Exception as error:  # nobody knows how the page stands now: a new one is safe
                    self._accounts.take_out(slot, BrowserError(f"A chat failed unexpectedly: {type(error).__name__}."))
                    raise
        finally:
            self.queue.leave(lease)

    async def _noted(
        self, request: ChatRequest, timeline: Timeline, slot: Slot, lease: Lease
    ) -> AsyncGenerator[ChatEvent]:
        """Pass the answer on, and note what it means for the conversation and the account's pace."""
        note, place = Note(self.conversations, request, slot.worker.name), lease.place_here
        try:
            async with aclosing(slot.worker.chat(request, timeline, place)) as events:
                async for event in events:
                    note.hear(event)
                    yield event
            slot.fails = 0
            slot.caution = max(slot.caution - 1, 0)
        except BridgeError as error:
            if place is not None:
                self._drop(place, error)
            if isinstance(error, UnknownConversation) and lease.is_anew:
                raise SiteError(error.message, sent=error.sent) from error
            raise
        finally:
            if (sent_at := timeline.at("sent")) is not None:
                self._accounts.sent(slot, sent_at)

    def _names(self, request: ChatRequest) -> Collection[str]:
        return [name_of(token) for token in request.tokens] or [slot.worker.name for slot in self._accounts.own]

    def _lease(self, request: ChatRequest, place: Place | None) -> Lease:
        """Return where the chat may be answered: its conversation's account first, or alone if the client names it."""
        realm = self._guests.admit(request.tokens, request.peer) if request.tokens else self._accounts.own
        fitting = [slot for slot in realm if slot.serves(request.model)]
        home = next((slot for slot in fitting if place is not None and slot.worker.name == place.account), None)
        is_named = request.conversation is not None
        if home is None:
            if is_named:
                raise UnknownConversation(NOT_HERE, param="conversation_id")
            return Lease(fitting, realm, request.id, refused=self._guests.refused(request.tokens))
        patient_until = time.monotonic() + self._settings.conversations.wait
        return Lease([home] if is_named else fitting, realm, request.id, False, is_named, home, place, patient_until)

    def _drop(self, place: Place, error: BridgeError) -> None:
        """Forget the conversation where it is gone, or where nobody knows how it stands after `error`."""
        if isinstance(error, UnknownConversation):
            self.conversations.deleted(place.conversation)
        elif error.sent and rule_of(error).again is not Again.RELOADED:
            self.conversations.forget(place.conversation)


def _account(slot: Slot, busy: Collection[Slot | None]) -> Account:
    return slot.account(is_busy=slot in busy and slot.visitor is None)
