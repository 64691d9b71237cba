"""Hands each chat to an account that is free to answer it, in order of arrival.

State is two lists: the accounts (`Accounts.slots`) and the leases on them (`_leases`). Whether an account is busy,
and who waits, follows from them; `_assign` is called whenever anything changes and alone pairs the two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from bridge.accounts import AWAY, NOBODY, PoolWorker, Slot, standing
from bridge.chat import Account, ChatEvent, ChatRequest, Finish, Model, RateLimit
from bridge.conversations import NOT_HERE, Conversations, Note, Place
from bridge.errors import (
    BridgeError,
    BrowserError,
    NoAccount,
    PoolError,
    PoolFull,
    PoolTimeout,
    SiteError,
    UnknownConversation,
)
from bridge.guests import Guests, TokenSite, name_of
from bridge.lease import Lease
from bridge.parked import ParkedAccounts
from bridge.policy import Again, may_go_on, rule_of
from bridge.progress import Progress
from bridge.sends import SendLog
from bridge.settings import Settings
from bridge.supervisor import Accounts
from bridge.telemetry import ChatQueued, ChatStarted, Telemetry, Timeline, WorkerState
from bridge.waiting import Pace

MOVES = 3
"""How often a chat may be given to an account, as long as nothing of it was sent."""
RETRY_AFTER = 5.0
"""Seconds that clients are asked to wait for a bridge that is started anew."""
LAST_LIMIT = 5.0
"""Seconds that chats get to end after what they generate was told to stop, when the bridge stops."""


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
        sends = SendLog(settings.config)
        self._accounts = Accounts(workers, telemetry, self._assign, settings.pool, parked, sends, models)
        self._guests = Guests(tokens, settings.tokens, self._accounts, self._in_use)
        self.conversations = Conversations(settings.config / "conversations.db", settings.conversations)
        self._pace = Pace()
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
                result, reason = error.code, error.message
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
        busy = {lease.slot for lease in self._leases}
        return [slot.account(is_busy=slot in busy) for slot in self._accounts.slots]

    async def check(self, name: str) -> Account:
        """Open a parked account again at once; see `ChatBackend.check`."""
        slot = await self._accounts.check(name)
        return slot.account(is_busy=any(lease.slot is slot for lease in self._leases))

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what the settings still allow the accounts that can take chats like `request`; see `ChatBackend`."""
        busy = {lease.slot for lease in self._leases}
        slots = self._guests.known(request.tokens) if request.tokens else self._accounts.own
        slots = [slot for slot in slots if slot.serves(request.model) and slot.state not in AWAY]
        return self._accounts.budget.left([(slot.sends, slot in busy) for slot in slots])

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
        """Keep chats away from an idle account; a `BridgeError` means for it what it does in a chat."""
        lease = Lease([slot], [slot], slot=slot)
        self._leases.append(lease)
        try:
            yield
        except BridgeError as error:
            self._accounts.take_out(slot, error)
            raise
        finally:
            self._leases.remove(lease)
            self._assign()

    async def drain(self, limit: float) -> None:
        """Take no more chats, send the waiting ones away, and give the running ones `limit` seconds to end."""
        self._is_draining = True
        self._assign()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._is_empty.wait()
        for lease in self._leases:
            if lease.slot is not None:
                lease.slot.worker.interrupt(PoolError("The bridge is stopping."))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.turn.stop + LAST_LIMIT):
                await self._is_empty.wait()

    async def _answer(self, request: ChatRequest, timeline: Timeline) -> AsyncGenerator[ChatEvent]:
        """Answer on the first account that takes the chat; the policy says when another try is allowed."""
        timeline.mark("queued")
        place = await self.conversations.find(request, self._names(request))
        lease = self._enter(request, place)
        deadline = time.monotonic() + self._settings.pool.queue_limit
        has_begun = False
        try:
            for moves_left in reversed(range(MOVES)):
                slot = await self._granted(lease, deadline)
                timeline.account = slot.worker.name
                timeline.mark("started")
                self._telemetry.emit(ChatStarted(request.id, slot.worker.name))
                try:
                    async with aclosing(self._noted(request, timeline, slot, lease)) as events:
                        async for event in events:
                            has_begun = True
                            yield event
                    self._pace.note(time.monotonic() - lease.since)
                    return
                except BridgeError as error:
                    self._accounts.take_out(slot, error)
                    if has_begun or not moves_left or not may_go_on(error) or not lease.give_back(error):
                        raise
                    timeline.forget("sent")
                    deadline += time.monotonic() - lease.since  # only what it waits counts
                    self._assign()
                except Exception as error:  # nobody knows how the page stands now: a new one is safe
                    self._accounts.take_out(slot, BrowserError(f"A chat failed unexpectedly: {type(error).__name__}."))
                    raise
        finally:
            self._leases.remove(lease)
            self._assign()
            self.freed.set()

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

    def _enter(self, request: ChatRequest, place: Place | None) -> Lease:
        lease = self._lease(request, place)
        self._leases.append(lease)
        self._assign()
        waiting = sum(other.is_waiting for other in self._leases)
        self._telemetry.emit(ChatQueued(request.id, request.model.id, waiting))
        if lease.is_waiting and waiting > self._settings.pool.queue_size:
            wait = self._pace.wait(lease, self._leases)
            lease.refuse(PoolFull(f"{waiting - 1} chats are waiting already.", retry_after=wait))
        return lease

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
            return Lease(fitting, realm, refused=self._guests.refused(request.tokens))
        patient_until = time.monotonic() + self._settings.conversations.wait
        return Lease([home] if is_named else fitting, realm, is_named, home, place, patient_until)

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
            wait = self._pace.wait(lease, self._leases)
            raise lease.failure or PoolTimeout(message, retry_after=wait) from error
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

    def _drop(self, place: Place, error: BridgeError) -> None:
        """Forget the conversation where it is gone, or where nobody knows how it stands after `error`."""
        if isinstance(error, UnknownConversation):
            self.conversations.deleted(place.conversation)
        elif error.sent and rule_of(error).again is not Again.RELOADED:
            self.conversations.forget(place.conversation)
