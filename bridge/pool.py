"""Hands each chat to an account that is free to answer it, in order of arrival.

State is two lists: the accounts (`Accounts.slots`) and the leases on them (`_leases`). Whether an account is busy,
and who waits, follows from them; `_assign` is called whenever anything changes and alone pairs the two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from loguru import logger

from bridge.accounts import AWAY, NOBODY, Account, Accounts, PoolWorker, Slot, standing
from bridge.budget import Budget
from bridge.chat import ChatEvent, ChatRequest, Finish, Model, RateLimit
from bridge.conversations import NOT_HERE, Conversations, Note, Place
from bridge.errors import (
    BridgeError,
    BrowserError,
    LoginRequired,
    Muted,
    NoAccount,
    PoolFull,
    PoolTimeout,
    RateLimited,
    UnknownConversation,
)
from bridge.fate import fate
from bridge.guests import Guests, TokenSite, name_of
from bridge.lease import Lease
from bridge.parked import ParkedAccounts
from bridge.settings import Settings
from bridge.telemetry import ChatEnded, ChatQueued, ChatStarted, Telemetry, Timeline, WorkerState

MOVES = 3
"""How often a chat may be given to an account, as long as nothing of it was sent."""
REFUSALS = (LoginRequired, Muted, RateLimited)
"""With these the site refuses an account, not the chat, and before it generates anything."""
RETRY_AFTER = 5.0
"""Seconds that clients are asked to wait when no better figure is known."""
LAST_LIMIT = 5.0
"""Seconds that chats get to end after they were told to, when the bridge stops."""


class Pool:
    """The accounts; a `ChatBackend`. Runs while it is entered as a context manager."""

    def __init__(
        self,
        workers: Sequence[PoolWorker],
        settings: Settings,
        telemetry: Telemetry,
        tokens: TokenSite | None = None,
    ) -> None:
        parked, models = ParkedAccounts(settings.config), tokens.models if tokens else ()
        self._accounts = Accounts(workers, telemetry, self._assign, parked, settings.pool.rest, models)
        self._guests = Guests(tokens, settings.tokens, self._accounts, self._in_use)
        self.conversations = Conversations(settings.config / "conversations.db", settings.conversations)
        self._budget = Budget(settings.pool)
        self._leases: list[Lease] = []
        self._settings = settings
        self._telemetry = telemetry
        self._timer: asyncio.TimerHandle | None = None
        self.freed = asyncio.Event()
        """Set whenever a chat has left."""
        self._is_draining = False
        self._is_empty = asyncio.Event()

    async def __aenter__(self) -> Pool:
        await self.conversations.open()
        await self._accounts.__aenter__()
        self._guests.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._guests.close()
        await self._accounts.__aexit__()
        if self._timer is not None:
            self._timer.cancel()
        await self.conversations.close()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat as soon as an account is free; see `ChatBackend.chat`."""
        timeline = Timeline(request.id, request.model.id)
        result, reason = "cancelled", ""
        try:
            async with aclosing(self._answer(request, timeline)) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        result = event.reason
                    yield event
        except BridgeError as error:
            result, reason = error.code, error.message
            raise
        finally:
            timeline.mark("end")
            marks = timeline.marks
            self._telemetry.emit(ChatEnded(request.id, request.model.id, timeline.account, result, reason, marks))

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
        busy = {lease.slot for lease in self._leases}
        return [slot.account(is_busy=slot in busy) for slot in self._accounts.slots]

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what the settings still allow the accounts that can take chats like `request`; see `ChatBackend`."""
        busy = {lease.slot for lease in self._leases}
        slots = self._guests.known(request.tokens) if request.tokens else self._accounts.own
        slots = [slot for slot in slots if slot.serves(request.model) and slot.state not in AWAY]
        return self._budget.left([(slot.sends, slot in busy) for slot in slots])

    def unready(self) -> str | None:
        """Return why no chat could be taken now, or None."""
        if self._is_draining:
            return "The bridge is stopping."
        if not (own := self._accounts.own):
            return None if self._guests.are_welcome else NOBODY
        if any(slot.state is WorkerState.READY for slot in own):
            return None
        return f"No account is ready: {standing(own)}."

    def idle(self) -> list[Slot]:
        """Return the accounts that are ready and have no chat."""
        busy = {lease.slot for lease in self._leases}
        return [slot for slot in self._accounts.slots if slot.state is WorkerState.READY and slot not in busy]

    @asynccontextmanager
    async def borrowed(self, slot: Slot) -> AsyncGenerator[None]:
        """Keep chats away from an idle account; a `BridgeError` means for it what it does in a chat, and is logged."""
        lease = Lease([slot], [slot], slot=slot)
        self._leases.append(lease)
        try:
            yield
        except BridgeError as error:
            logger.warning("The upkeep of {} failed: {}", slot.worker.name, error.message)
            self._accounts.take_out(slot, error)
        finally:
            self._leases.remove(lease)
            self._assign()

    def pause(self, slot: Slot, since: float) -> None:
        """Let the account send nothing for its interval after `since`, as the clock shows it."""
        slot.free_at = since + slot.pause(self._settings.pool.min_interval)

    async def drain(self, limit: float) -> None:
        """Take no more chats, send the waiting ones away, and give the running ones `limit` seconds to end."""
        self._is_draining = True
        self._assign()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._is_empty.wait()
        for lease in self._leases:
            if lease.slot is not None:
                lease.slot.worker.give_up(BrowserError("The bridge is stopping."))
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIMIT):
                await self._is_empty.wait()

    async def _answer(self, request: ChatRequest, timeline: Timeline) -> AsyncGenerator[ChatEvent]:
        """Answer on the first account that takes the chat.

        Another one is tried only if nothing was sent, or the site refused the account before it began to answer.
        """
        timeline.mark("queued")
        place = await self.conversations.find(request, self._names(request))
        lease = self._enter(request, timeline, place)
        deadline = time.monotonic() + self._settings.pool.queue_limit
        has_begun = False
        try:
            for moves_left in reversed(range(MOVES)):
                slot = await self._granted(lease, deadline)
                timeline.account = slot.worker.name
                timeline.mark("started")
                self._telemetry.emit(ChatStarted(request.id, slot.worker.name))
                try:
                    async with aclosing(self._noted(request, timeline, slot, lease.place_here)) as events:
                        async for event in events:
                            has_begun = True
                            yield event
                    return
                except BridgeError as error:
                    self._accounts.take_out(slot, error)
                    may_move = not has_begun and (not error.sent or isinstance(error, REFUSALS))
                    if not may_move or fate(error) is None or not moves_left or not lease.give_back(error):
                        raise
                    timeline.forget("sent")
                    self._assign()
        finally:
            self._leases.remove(lease)
            self._assign()
            self.freed.set()

    async def _noted(
        self, request: ChatRequest, timeline: Timeline, slot: Slot, place: Place | None
    ) -> AsyncGenerator[ChatEvent]:
        """Pass the answer on, and note what it means for the conversation and the account's pace."""
        note = Note(self.conversations, request, slot.worker.name)
        try:
            async with aclosing(slot.worker.chat(request, timeline, place)) as events:
                async for event in events:
                    note.hear(event)
                    yield event
            slot.fails = 0
            slot.caution = max(slot.caution - 1, 0)
        except BridgeError as error:
            if error.sent and place is not None:
                self.conversations.forget(place.conversation)
            raise
        finally:
            self._pace(slot, timeline)

    def _enter(self, request: ChatRequest, timeline: Timeline, place: Place | None) -> Lease:
        lease = self._lease(request, place)
        self._leases.append(lease)
        self._assign()
        waiting = sum(other.is_waiting for other in self._leases)
        self._telemetry.emit(ChatQueued(request.id, request.model.id, waiting))
        if lease.is_waiting and waiting > self._settings.pool.queue_size:
            lease.refuse(PoolFull(f"{waiting - 1} chats are waiting already.", retry_after=RETRY_AFTER))
        return lease

    def _names(self, request: ChatRequest) -> Collection[str]:
        return [name_of(token) for token in request.tokens] or [slot.worker.name for slot in self._accounts.own]

    def _lease(self, request: ChatRequest, place: Place | None) -> Lease:
        """Return where the chat may be answered: its conversation's account first, or alone if the client names it."""
        realm = self._guests.admit(request.tokens) if request.tokens else self._accounts.own
        fitting = [slot for slot in realm if slot.serves(request.model)]
        home = next((slot for slot in fitting if place is not None and slot.worker.name == place.account), None)
        if place is None or home is None:
            if request.conversation is not None:
                raise UnknownConversation(NOT_HERE, param="conversation_id")
            return Lease(fitting, realm)
        patient_until = time.monotonic() + self._settings.conversations.wait
        return Lease([home] if request.conversation else fitting, realm, home, place, patient_until)

    def _in_use(self, slot: Slot) -> bool:
        """Tell whether a chat has the account, or may get it."""
        return any(slot is lease.slot or slot in lease.fitting for lease in self._leases)

    async def _granted(self, lease: Lease, deadline: float) -> Slot:
        """Return the lease's account as soon as it has one."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                while lease.is_waiting:
                    lease.changed.clear()
                    await lease.changed.wait()
        except TimeoutError as error:
            limit = self._settings.pool.queue_limit
            message = f"No account became free within {limit:g} seconds: {standing(lease.realm)}."
            raise lease.failure or PoolTimeout(message, retry_after=RETRY_AFTER) from error
        if lease.error is not None:
            raise lease.failure or lease.error
        assert lease.slot is not None  # noqa: S101 - the loop's condition, for the type checker
        return lease.slot

    def _assign(self) -> None:
        """Pair waiting chats with free accounts, oldest chat and longest rested account first."""
        now = time.monotonic()
        free = self.idle()
        free.sort(key=lambda slot: slot.free_at)
        for lease in [lease for lease in self._leases if lease.is_waiting]:
            slot = None if self._is_draining else lease.choose(free, now)
            if slot is not None:
                free.remove(slot)
                lease.grant(slot)
            elif (error := self._hopeless(lease)) is not None:
                lease.refuse(error)
        self._set_timer(now, free)
        if self._leases:
            self._is_empty.clear()
        else:
            self._is_empty.set()

    def _set_timer(self, now: float, free: Sequence[Slot]) -> None:
        """Call `_assign` again when the next account's pause, or the next chat's patience, is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [lease for lease in self._leases if lease.is_waiting]
        times = [*(slot.free_at for slot in free), *(lease.patient_until for lease in waiting)]
        when = min((moment for moment in times if moment > now), default=None)
        if when is not None and waiting:
            self._timer = asyncio.get_running_loop().call_later(when - now, self._assign)

    def _hopeless(self, lease: Lease) -> BridgeError | None:
        """Return why waiting is pointless, if it is."""
        if self._is_draining:
            return NoAccount("The bridge is stopping.", retry_after=RETRY_AFTER)
        return lease.hopeless(self._settings.pool.queue_limit)

    def _pace(self, slot: Slot, timeline: Timeline) -> None:
        """Let the account pause after a send; one whose budget is used rests until there is room in it again."""
        sent_at = timeline.at("sent")
        if sent_at is None:
            return
        self.pause(slot, sent_at)
        slot.sends.append(time.time())
        if (until := self._budget.full_until(slot.sends)) is not None:
            reason = "The account has used the budget that the settings give it."
            self._accounts.take_out(slot, RateLimited(reason, until=until))
