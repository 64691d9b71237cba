"""Answers each chat on a free account, and after an error on another one if the error policy allows that.

A chat has one lease from its arrival to its end: it waits with the lease, is granted an account, gives that back to
wait for another one, and leaves. So a chat cancelled between two steps needs no cleanup.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

from bridge.chat.types import ChatEvent, ChatRequest, ConversationStart, Opened
from bridge.errors import BridgeError, BrowserError, PermissionDenied, SiteError, UnknownConversation
from bridge.pool.account import Slot
from bridge.pool.chat_progress import Progress
from bridge.pool.chat_queue import ChatQueue
from bridge.pool.error_policy import conversation_is_gone, conversation_is_unclear, may_go_on
from bridge.pool.lease import Lease
from bridge.pool.supervisor import Supervisor
from bridge.pool.token_accounts import TokenAccounts, name_of
from bridge.settings import ConversationSettings
from bridge.storage.conversation_file import NOT_HERE, ConversationPosition
from bridge.storage.conversation_tokens import has_room
from bridge.storage.conversations import ConversationRecorder, Conversations
from bridge.telemetry import ChatQueued, ChatStarted, Telemetry, Timeline, WorkerState

TRIES = 3
"""Most accounts that a chat may be given to, as long as nothing was generated."""


class Dispatcher:
    """The dispatcher of chats to the accounts that the supervisor keeps open."""

    def __init__(
        self,
        supervisor: Supervisor,
        queue: ChatQueue,
        token_accounts: TokenAccounts,
        conversations: Conversations,
        settings: ConversationSettings,
        telemetry: Telemetry,
        open_limit: float,
    ) -> None:
        self._supervisor = supervisor
        self._queue = queue
        self._token_accounts = token_accounts
        self._conversations = conversations
        self._settings = settings
        self._telemetry = telemetry
        self._open_limit = open_limit
        """Additional seconds that a conversation waits for an account that must be opened first."""

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Answer one chat as soon as an account is free; see `ChatBackend.chat`."""
        timeline = Timeline(request.id, request.model.id)
        progress = Progress(request, timeline, self._telemetry)
        with progress.reported():
            timeline.mark("queued")
            place, otherwise = await self._find(request)
            with self._queued(request, place) as lease:
                while not lease.is_answered:
                    slot = await self._granted(lease, timeline)
                    note = ConversationRecorder(self._conversations, request, slot.worker.name, lease.place_here)
                    with self._tried(lease, slot, timeline):
                        if request.may_start is not None:
                            await request.may_start()
                        chat = slot.worker.chat(request, timeline, lease.place_here)
                        async with aclosing(chat), aclosing(note.recorded(chat)) as events:
                            async for event in events:
                                lease.has_begun = True
                                progress.add(event)
                                if isinstance(event, Opened):
                                    start = _start(event, lease, otherwise)
                                    event = replace(event, start=start, place=lease.place_in_queue)
                                yield event

    async def _find(self, request: ChatRequest) -> tuple[ConversationPosition | None, ConversationStart]:
        """Return the position at which the chat continues, and the reason for a new conversation if it does not."""
        place = await self._conversations.find(request, self._names(request))
        if place is None:
            return None, "new"
        if not await asyncio.to_thread(has_room, request, place):
            return None, "context"
        return place, "account"

    @contextmanager
    def _queued(self, request: ChatRequest, place: ConversationPosition | None) -> Iterator[Lease]:
        """Keep the chat in the queue while the context is open."""
        lease = self._lease(request, place)
        waiting = self._queue.enter(lease)
        self._telemetry.emit(ChatQueued(request.id, request.model.id, waiting, request.caller.name))
        try:
            yield lease
        finally:
            self._queue.leave(lease)

    async def _granted(self, lease: Lease, timeline: Timeline) -> Slot:
        """Wait for the chat's account and return it."""
        slot = await self._queue.granted(lease)
        timeline.account, timeline.site = slot.worker.name, slot.worker.site
        timeline.mark("started")
        self._telemetry.emit(ChatStarted(timeline.chat, slot.worker.name))
        return slot

    @contextmanager
    def _tried(self, lease: Lease, slot: Slot, timeline: Timeline) -> Iterator[None]:
        """Try the chat on an account; afterwards it is answered, waits for another account, or the error is raised.

        The send is counted before the error is handled, so that a mute, which lasts longer, replaces a used quota.
        """
        try:
            try:
                yield
            finally:
                if (sent_at := timeline.at("sent")) is not None:
                    self._supervisor.sent(slot, sent_at)
        except BridgeError as error:
            self._fail(lease, slot, error)
            timeline.forget("opened", "sent")
            self._queue.assign()
        except Exception as error:  # the state of the page is unknown; a new one is safe
            self._supervisor.take_out(slot, BrowserError(f"A chat failed unexpectedly: {type(error).__name__}."))
            raise
        else:
            lease.is_answered = True
            slot.succeeded()
            self._queue.answered(lease)

    def _fail(self, lease: Lease, slot: Slot, error: BridgeError) -> None:
        """Let the chat wait for an account again, or raise the error for the client."""
        if (place := lease.place_here) is not None:
            self._drop(place, error)
        if conversation_is_gone(error) and lease.is_anew:  # no client named one: the site is wrong
            error = SiteError(error.message, sent=error.sent)
        final = self._supervisor.take_out(slot, error)
        if lease.error is not None:  # it was cancelled meanwhile
            raise lease.error from error
        is_last = lease.has_begun or len(lease.tries) >= TRIES
        if is_last or not may_go_on(final) or not lease.give_back(final):
            raise final from error

    def allowed(self, request: ChatRequest) -> list[Slot]:
        """Return the operator's own accounts that the request's key may use."""
        return [slot for slot in self._supervisor.own if request.caller.may_use(slot.worker.name)]

    def _names(self, request: ChatRequest) -> Collection[str]:
        """Return the accounts on which a conversation is looked up.

        A conversation that the client names is looked up on all, so that a key without its account gets that error.
        """
        own = self._supervisor.own if request.conversation is not None else self.allowed(request)
        return [name_of(token) for token in request.tokens] or [slot.worker.name for slot in own]

    def _realm(self, request: ChatRequest, place: ConversationPosition | None) -> Sequence[Slot]:
        """Return all accounts that the client may use; raise a `PermissionDenied` if there is none."""
        if request.tokens:
            return self._token_accounts.admit(request.tokens, request.peer)
        caller, realm = request.caller, self.allowed(request)
        if not realm and self._supervisor.own:
            raise PermissionDenied(f"None of the accounts here is allowed to {caller}; the operator can change that.")
        if request.conversation is not None and place is not None and not caller.may_use(place.account):
            raise PermissionDenied(
                f"The conversation is on an account that is no longer allowed to {caller}; start a new one.",
                param="conversation_id",
            )
        return realm

    def _lease(self, request: ChatRequest, place: ConversationPosition | None) -> Lease:
        """Return a lease on the fitting accounts: its conversation's first, or alone if the client names it."""
        realm = self._realm(request, place)
        fitting = [slot for slot in realm if slot.serves(request.model)]
        realm = fitting or realm  # accounts of other sites are not the reason for a wait
        home = next((slot for slot in fitting if place is not None and slot.worker.name == place.account), None)
        is_named = request.conversation is not None
        if home is None:
            if is_named:
                raise UnknownConversation(NOT_HERE, param="conversation_id")
            refused = self._token_accounts.refused(request.tokens)
            return Lease(fitting, realm, request.id, request.caller, limit=_limit(request), refused=refused)
        return Lease(
            [home] if is_named else fitting,
            realm,
            request.id,
            request.caller,
            limit=_limit(request),
            is_named=is_named,
            home=home,
            place=place,
            patient_until=time.monotonic() + self._patience(home),
        )

    def _patience(self, home: Slot) -> float:
        """Return the seconds to wait for the account of a conversation, including the opening of a sleeping one."""
        wait = self._settings.wait
        return wait + self._open_limit if wait and home.state is WorkerState.ASLEEP else wait

    def _drop(self, place: ConversationPosition, error: BridgeError) -> None:
        """Drop the conversation if it is gone, or if its state is unknown after `error`."""
        if conversation_is_gone(error):
            self._conversations.deleted(place.conversation)
        elif conversation_is_unclear(error):
            self._conversations.forget(place.conversation)


def _limit(request: ChatRequest) -> float:
    return math.inf if request.start_within is None else request.start_within


def _start(opened: Opened, lease: Lease, otherwise: ConversationStart) -> ConversationStart:
    """Return how the conversation of `opened` started; `otherwise` if no known one was to be continued."""
    if (place := lease.place_here) is not None:
        return "continued" if place.conversation == opened.conversation else "lost"
    return "lost" if lease.is_anew else otherwise
