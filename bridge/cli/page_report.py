"""Prints what the bridge sees of an account's page while a person uses it by hand.

Requests pass the gate unchecked. Only the length of a prompt is printed, and the text of an answer only with --text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, assert_never
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text as Line

from bridge.browser.browser import Chromium
from bridge.browser.exchange import Exchange
from bridge.browser.page_calls import within
from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.chat.types import ChatEvent, Finish, Opened, Rewritten, Searched, Text, Thinking, Title, Withdrawn
from bridge.errors import BridgeError, BrowserError, SiteError
from bridge.settings import BrowserSettings, PageSettings, TurnSettings
from bridge.sites.answer_decoder import Decoder, DecoderBefore
from bridge.sites.known_sites import load_driver
from bridge.storage.profiles import Profile
from bridge.telemetry import Telemetry, Timeline
from bridge.worker.answer_reader import read_answer
from bridge.worker.page_session import Session, open_session

STATE_LIMIT = 30.0
LOOK_EVERY = 1.0
"""Seconds between two reads of the page's state."""
LOOK_LIMIT = 60.0
END_LIMIT = 5.0
"""Seconds that the site gets to end its response after the end of the answer."""
DEVTOOLS = "--auto-open-devtools-for-tabs"


async def watch(settings: PageSettings, profile: Profile, console: Console, *, show_text: bool) -> None:
    """Open the account's page and report until its window is closed."""
    report = ConsoleReport(console, show_text=show_text)
    closed = asyncio.Event()
    browser = Chromium(replace(settings, browser=_with_devtools(settings.browser)), Telemetry())
    browser.on_lost(lambda _: closed.set())
    try:
        report.line("opening", profile.url)
        async with open_session(
            browser, profile, load_driver(profile.site, settings.folders.site_files), settings
        ) as session:
            session.page.on("close", lambda _: closed.set())
            report.line("open", "Type into the page; close its window, or press Ctrl-C here, to end.")
            await report_until_closed(session, settings.turn, report, closed)
    finally:
        await browser.close()


async def report_until_closed(
    session: Session, limits: TurnSettings, report: ConsoleReport, closed: asyncio.Event
) -> None:
    """Report the page's state and traffic until `closed` is set."""
    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(_look(session, report)), tasks.create_task(_follow(session, limits, report))]
        await closed.wait()
        for task in work:
            task.cancel()


class ConsoleReport:
    """Prints what happens, a line each, with the time."""

    def __init__(self, console: Console, *, show_text: bool) -> None:
        self._console = console
        self._show_text = show_text

    def line(self, what: str, detail: str = "", style: str = "") -> None:
        """Print one line."""
        time = f"{datetime.now():%H:%M:%S.%f}"[:-3]
        line = Line.assemble((time, "dim"), "  ", (f"{what:9}", f"bold {style}"), " ", detail)
        self._console.print(line, soft_wrap=True)

    def request(self, request: PageRequest) -> Sequence[str]:
        """Print a request that is held at the gate, and accept it."""
        path = urlsplit(request.url).path
        self.line("request", f"{request.method} {path} held, let through: {_outline(request.body)}", "yellow")
        return ()

    def response(self, response: PageResponse) -> None:
        """Print how a response begins."""
        style = "green" if response.status == HTTPStatus.OK else "red"
        self.line("response", f"{response.status} {response.content_type}", style)

    def event(self, event: ChatEvent) -> None:
        """Print one decoded event."""
        detail = _summary(event)
        if self._show_text and isinstance(event, Text | Thinking | Title | Withdrawn | Rewritten):
            detail += f": {event.text!r}"
        self.line("event", f"{type(event).__name__:10}{detail}", "cyan")

    def error(self, error: BridgeError) -> None:
        """Print what went wrong."""
        self.line("error", f"{error.code}: {error.message}", "red")


class ReportingDecoder(DecoderBefore):
    """A decoder that reports the input and the events of another one."""

    def __init__(self, decoder: Decoder, report: ConsoleReport) -> None:
        super().__init__(decoder)
        self._report = report
        self._sizes: list[int] = []

    def expired(self) -> Sequence[ChatEvent]:
        """Report the events of the end after which no response followed."""
        return self._reported(super().expired())

    @property
    def received(self) -> str:
        """Return how many bytes and chunks came."""
        return f"{sum(self._sizes)} bytes in {len(self._sizes)} chunks"

    def begin(self, response: PageResponse) -> None:
        """Start a response."""
        self._report.response(response)
        super().begin(response)

    def feed(self, data: bytes) -> Sequence[ChatEvent]:
        """Take the next bytes."""
        self._sizes.append(len(data))
        return self._reported(super().feed(data))

    def end(self) -> Sequence[ChatEvent]:
        """Take the end of the body."""
        return self._reported(super().end())

    def _reported(self, events: Sequence[ChatEvent]) -> Sequence[ChatEvent]:
        for event in events:
            self._report.event(event)
        return events


async def _look(session: Session, report: ConsoleReport) -> None:
    """Report the state of the page and which controls are found, at each change."""
    reported: dict[str, str] = {}
    while True:
        for what, detail in (await _state(session)).items():
            if reported.get(what) != detail:
                reported[what] = detail
                report.line(what, detail, "magenta")
        await asyncio.sleep(LOOK_EVERY)


async def _state(session: Session) -> dict[str, str]:
    """Return the page's state and controls; an empty mapping while the page navigates."""
    state = "ready"
    try:
        async with within(STATE_LIMIT, "The page did not report its state"):
            try:
                await session.driver.ready()
            except SiteError as error:
                state = f"{error.code}: {error.message}"
            controls = await session.driver.controls()
    except BrowserError:
        return {}
    found = (f"{name} by {way}" if way else f"{name} NOT FOUND" for name, way in controls.items())
    return {"state": state, "controls": ", ".join(found)}


async def _follow(session: Session, limits: TurnSettings, report: ConsoleReport) -> None:
    """Report the turns one after another, each with its own exchange."""
    while True:
        with session.interceptor.exchange(report.request) as exchange:
            decoder = ReportingDecoder(session.driver.decoder(), report)
            exchange.on_sent = decoder.sent
            try:
                await exchange.sent()
                await _turn(exchange, decoder, limits, report)
            except BridgeError as error:
                report.error(error)
            for shape, count in decoder.drift.items():
                report.line("unknown", f"{shape}, {count} times", "red")


async def _turn(exchange: Exchange, decoder: ReportingDecoder, limits: TurnSettings, report: ConsoleReport) -> None:
    timeline = Timeline("", "")
    async with aclosing(read_answer(exchange, decoder, limits, timeline)) as events:
        async for _ in events:
            pass
    with suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT):
            await exchange.quiet()
    marks = (f", {step.replace('_', ' ')} after {seconds:.3f} s" for step, seconds in timeline.marks.items())
    report.line("ended", decoder.received + "".join(marks))


def _summary(event: ChatEvent) -> str:
    match event:
        case Text() | Thinking() | Title() | Withdrawn() | Rewritten():
            return f"{len(event.text)} characters"
        case Searched():
            return f"{len(event.queries)} queries, {len(event.sources)} sources"
        case Finish():
            return event.reason
        case Opened():
            return ""
        case _:
            assert_never(event)


def _outline(body: bytes) -> str:
    """Return the fields of a JSON body: switches and numbers in full, of other values only the length."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return f"{len(body)} bytes"
    return ", ".join(f"{name} {_size(value)}" for name, value in document.items())


def _size(value: Any) -> str:
    match value:
        case str():
            return f"of {len(value)} characters"
        case list() | dict():
            return f"of {len(value)} items"
        case _:
            return json.dumps(value)


def _with_devtools(settings: BrowserSettings) -> BrowserSettings:
    if not settings.headed:
        return settings
    return settings.model_copy(update={"args": (*settings.args, DEVTOOLS)})
