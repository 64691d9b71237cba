"""One logged-in page that answers one chat at a time.

The life of a worker, as the pool's supervisor runs it:

1. `opened` starts the page: context from the stored login, the site loaded, the driver's `ready`, leftovers of an
   earlier run stopped. Inside its `async with` the worker can be used.
2. `chat` takes one chat at a time (the pool's leases ensure that) through its steps, each with a time limit. Without a
   chat, `prepare`, `delete`, `renew` (a new page in the same context) or `visited` (a person) may have the page.
3. `lost` raises as soon as the page can no longer be used: it crashed, left the site, gave no sign of life, or a chat
   gave it up (`give_up`). The first reason counts.
4. Leaving `opened` writes the login back and closes the page. The supervisor opens it again when the policy says so:
   the worker only raises errors, to the client (`chat`) and to the pool (`lost`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from bridge.browser.browser import Chromium
from bridge.browser.page_calls import PageMovedOn, within
from bridge.browser.page_messages import PageRequest
from bridge.chat.operator_visit import Visit
from bridge.chat.ownership import ALONE, Ownership
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Model
from bridge.errors import BridgeError, BrowserError, SiteChanged, SiteError
from bridge.settings import PageSettings
from bridge.sites.contract import Turn
from bridge.sites.known_sites import load_driver
from bridge.storage.conversation_file import ConversationPosition
from bridge.storage.profiles import Profile, ProfileStore
from bridge.storage.unfinished_chats import unfinished_chats_file
from bridge.tasks import first
from bridge.telemetry import DriftSeen, PageRenewed, PageShown, Telemetry, Timeline
from bridge.worker.answer_reader import placed, read_answer
from bridge.worker.generation_stop import GenerationStopper, grace_after
from bridge.worker.handover import hand_over_page
from bridge.worker.login_write_back import WriteBack
from bridge.worker.next_chat import NextChat
from bridge.worker.page_loss import Departures, PageLoss, why_left
from bridge.worker.page_session import Session, open_session
from bridge.worker.page_snapshots import PageSnapshots
from bridge.worker.page_trace import PageTrace
from bridge.worker.stored_login import StoredLogin
from bridge.worker.stream_recorder import Recorder
from bridge.worker.submit import GRACE, go_on, submit_turn
from bridge.worker.turn_plan import models_of, turns_of


class Worker:
    """A worker that answers chats through one account's page; usable while `opened` is entered."""

    ownership: Ownership = ALONE
    """Checked right before every action that the site can notice."""

    def __init__(
        self,
        profile: Profile,
        store: ProfileStore | None,
        chromium: Chromium,
        settings: PageSettings,
        telemetry: Telemetry,
    ) -> None:
        self.name, self.site, self.url = profile.name, profile.site, profile.url
        self.last_seen: datetime | None = None
        """When the page last gave a sign of life."""
        folders, limit, owned = settings.folders, settings.browser.call_limit, lambda: self.ownership
        self._driver_type = load_driver(profile.site, folders.site_files)
        self.min_interval = self._driver_type.min_interval
        self._login = StoredLogin(profile, store, telemetry)
        self._chromium, self._settings, self._telemetry = chromium, settings, telemetry
        self._recorder, self._trace = Recorder(settings.browser), PageTrace(settings.browser, folders.trace_work)
        self._snapshots = PageSnapshots(self.name, folders.config / "bundles", limit)
        self._session: Session | None = None
        self.shown: Session | None = None
        """The open page, even if it cannot take chats."""
        self._departures, self._next, self._loss = Departures(), NextChat(), PageLoss()
        kept = unfinished_chats_file(folders.config, self.name) if store else None
        self._stopper = GenerationStopper(kept, owned, settings.turn, self.give_up)
        self._write_back = WriteBack(self._login, owned, limit, lambda: self._loss.happened)

    @property
    def models(self) -> Sequence[Model]:
        """Return the base models that the account's site serves."""
        return models_of(self._driver_type, self._settings.files)

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        """Open the page, let a person visit it, and wait until it can take a prompt; raise why it cannot."""
        self._loss = PageLoss()
        self.ownership.check()
        await self._login.refresh()
        self._chromium = self._chromium.with_folder(self._login.profile.user_data_dir)
        forget = self._chromium.on_lost(self.give_up)
        try:
            async with open_session(self._chromium, self._login.profile, self._driver_type, self._settings) as session:
                session.on_gone, session.may_act = self._on_gone, self.ownership.check
                self._show(session)
                await self._ready(session) if visit is None else await self.visited(visit, session)
                await self._stopper.stop_leftovers(session)
                self._session = session
                self.last_seen = datetime.now(UTC)
                await self._write_back.now(session, self._chromium)
                try:
                    yield
                finally:
                    self._session = None
                    await self._write_back.now(session, self._chromium)
        finally:
            self._show(None)
            forget()
            await self._recorder.written()

    async def lost(self) -> NoReturn:
        """Watch the open page; raise as soon as it can no longer be used."""
        while True:
            await self._loss.raised(self._settings.browser.check_every)
            with suppress(BridgeError):  # `check` has given the page up
                await self.check()

    async def check(self) -> None:
        """Ask the page for a sign of life; without one, give it up and raise why."""
        await first(self._check(), self._loss.raised())  # a page that crashes meanwhile does not answer

    async def visited(self, visit: Visit, session: Session | None = None) -> None:
        """Hand the open page to a person; wait until it can take chats again, or raise why it cannot."""
        page, self._next.is_prepared = session or self._opened_session(), False
        await hand_over_page(page, visit, self._loss, self._settings.turn.ready, lambda: self._ready(page))
        await self._write_back.now(page, self._chromium)

    def _show(self, session: Session | None) -> None:
        self.shown = session
        self._telemetry.emit(PageShown(self.name, session is not None))

    def give_up(self, error: BridgeError) -> None:
        """End the running chat, if any, and the open page with `error`."""
        self._loss.note(error)
        if self._session is not None:
            self._session.interceptor.fail(error)

    def _on_gone(self, error: BrowserError) -> None:
        self.give_up(self._departures.judged(error))

    def interrupt(self, error: BridgeError) -> None:
        """End the running chat, if any, and its generation with `error`; the page stays open."""
        if self._session is not None:
            self._session.interrupt(error)

    async def login_renewed(self) -> None:
        """Wait until a newer login of the account is stored."""
        await self._login.login_renewed(self._settings.browser.check_every)

    async def chat(
        self, request: ChatRequest, timeline: Timeline, place: ConversationPosition | None = None
    ) -> AsyncGenerator[ChatEvent]:
        """Send one chat and yield its answer; the `sent` of an error tells whether the site may have seen the prompt.

        With a `place`, only new messages are sent there; if that fails, a new conversation gets the whole history.
        """
        session, limits, files = await self._session_for_chat(), self._settings.turn, self._settings.files
        call_limit = self._settings.browser.call_limit
        turns = turns_of(request, place, self._driver_type, files)
        decoder = self._recorder.recorded(session.driver.decoder(), request.id)
        async with self._trace.kept(session.context, request.id):
            with session.interceptor.exchange() as exchange:
                exchange.on_sent, grace = decoder.sent, 0.0
                try:
                    await self._chromium.ensure()
                    turn = await submit_turn(session, exchange, turns, limits, files, self._chromium, timeline)
                    timeline.mark("sent")
                    conversation = self._sent(session, turn, exchange.passed[0], request.id)
                    answer = read_answer(exchange, decoder, limits, timeline, partial(go_on, session, call_limit))
                    async with session.window.minimized(), aclosing(answer) as events:
                        async for event in events:
                            if isinstance(event, Finish):
                                grace = self._finished()
                            yield placed(event, conversation, names_answers=self._driver_type.names_answers)
                except BridgeError as error:
                    grace = grace_after(error, limits)
                    error = await why_left(session.driver, error, limits.ready) if exchange.has_left else error
                    raise await self._explained(session, error, sent=bool(exchange.passed)) from error
                finally:
                    await self._stopper.stopped(session, exchange, grace)
                    self._report_drift({**decoder.drift, **session.driver.drift.taken()})
        await self._write_back.if_due(session, self._chromium)

    async def _session_for_chat(self) -> Session:
        """Return the open page, renewed if it has served too many chats."""
        session = self._opened_session()
        if session.wear.is_overdue(self._settings.browser):
            await self.renew()
        session.wear.chats += 1
        self._next.is_prepared = False
        return session

    def _sent(self, session: Session, turn: Turn, request: PageRequest, chat: str) -> str | None:
        """Record the sent prompt; return the id of its conversation, if known."""
        self._next.sent(turn)
        self._recorder.request(request, chat)
        conversation = session.driver.conversation_of(request)
        if conversation is not None:
            self._stopper.begun(conversation)
        return conversation

    def _finished(self) -> float:
        """Record that the page has answered; return the seconds that the site has to end its response by itself."""
        self._departures.forget()
        self.last_seen = datetime.now(UTC)
        return self._settings.turn.end

    async def _explained(self, session: Session, error: BridgeError, *, sent: bool = False) -> BridgeError:
        """Return a copy of `error`, which others may hold, with its `sent` and its bundle."""
        return await self._snapshots.explained(session, error.replace(sent=sent))

    @property
    def page_chats(self) -> int:
        """Return the number of chats of the open page."""
        return 0 if self._session is None else self._session.wear.chats

    async def bundle(self) -> Path:
        """Write a diagnostic bundle of the open page, and return its folder."""
        return await self._snapshots.bundle(self._opened_session(), "The operator asked for it.")

    async def thumbnail(self) -> bytes | None:
        """Return a thumbnail of the open page, at most a few seconds old; None if there is none."""
        return None if self._session is None else await self._snapshots.thumbnail(self._session)

    @property
    def is_renewal_due(self) -> bool:
        """Tell whether the page is so worn that it should be replaced."""
        return bool(self._session and not self._loss.happened and self._session.wear.is_due(self._settings.browser))

    @property
    def is_reopening_due(self) -> bool:
        """Tell whether the page's browser was replaced by another one."""
        return self._session is not None and self._chromium.is_retired

    async def renew(self) -> None:
        """Replace the open page by a new one; not while a chat runs."""
        session = self._opened_session()
        await session.renew(self._settings.browser.call_limit)
        self._telemetry.emit(PageRenewed(self.name))
        await self._ready(session)

    @property
    def wants_new_chat(self) -> bool:
        """Tell whether the page should be prepared for a chat that will probably start a conversation."""
        return self._session is not None and not self._loss.happened and self._next.wants_preparation

    async def prepare(self) -> None:
        """Open an empty chat for the next one; not while a chat runs."""
        session, self._next.is_prepared = self._opened_session(), True
        with suppress(SiteChanged, PageMovedOn):  # the next chat raises it to its client
            async with within(self._settings.turn.ready, "The page opened no chat"):
                await session.driver.open(self._next.expected)

    async def delete(self, conversation: str) -> None:
        """Delete a conversation through the page; not while a chat runs."""
        session = self._opened_session()
        try:
            async with within(self._settings.turn.ready, "The conversation could not be deleted"):
                await session.driver.delete(conversation)
        except SiteChanged as error:
            raise await self._explained(session, error) from error

    def _opened_session(self) -> Session:
        if self._session is None:
            raise BrowserError("The account's page is not open.")
        self._loss.check()  # a page that was given up is about to be closed
        self.ownership.check()
        return self._session

    async def _ready(self, session: Session) -> None:
        """Wait until the page can take a prompt."""
        try:
            async with within(self._settings.turn.ready, "The page was not ready"), session.failing_on_refusal(GRACE):
                await session.driver.ready()
            session.stay()
        except SiteError as error:
            raise await self._explained(session, error) from error
        finally:
            self._report_drift(session.driver.drift.taken())

    async def _check(self) -> None:
        try:
            await self._chromium.check()
            if self._session is not None:
                await self._session.check(self._settings.browser.call_limit)
                self.last_seen = datetime.now(UTC)
        except BridgeError as error:
            self.give_up(error)
            raise

    def _report_drift(self, drift: Mapping[str, int]) -> None:
        for shape, count in drift.items():
            self._telemetry.emit(DriftSeen(self._login.profile.site, shape, count))
