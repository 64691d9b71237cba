"""Each transport that chat pages use gives the whole answer, as it comes, and each way in which one breaks is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.browser.browser import Chromium
from bridge.chat.types import ChatEvent, ChatRequest, Finish, Message, Model, Text
from bridge.errors import BridgeError, BrowserError, LoginRequired, SiteError, SiteTimeout
from bridge.settings import TurnSettings
from bridge.storage.profiles import Profile
from bridge.telemetry import Telemetry, Timeline
from bridge.worker.worker import Worker
from tests.support.browsers import light_browser
from tests.support.live import changed, settings_for
from tests.support.stress import stress
from tests.support.transports.site import TransportSite, answer_to, transport_site
from tests.support.waiting import LIMIT, until

ANSWERED = ("xhr", "sse", "sse-untyped", "ndjson", "json", "connect", "other-origin", "title-first", "aborting")
STREAMED = ("eventsource", "eventsource-before", "stream-before", "polling", "socket-text", "socket-binary")
BY_SOCKET = ("prompt-by-socket-text", "prompt-by-socket-binary")
TWINS = ("sse-untyped", "ndjson", "connect", "stream-before", "prompt-by-socket-binary")
"""Transports that the bridge reads as it reads another one: only the driver's decoder takes them apart otherwise."""
PAGES = {
    **dict.fromkeys(ANSWERED, "answered"),
    "repeating": "repeated",
    **dict.fromkeys(STREAMED, "separate"),
    **dict.fromkeys(BY_SOCKET, "by_socket"),
}
PLAIN = tuple(page for page in PAGES if page not in TWINS)
SOCKETS = ("socket-text", "prompt-by-socket-text", *stress("socket-binary", "prompt-by-socket-binary"))
SHARED = ("eventsource-before", "polling", *stress("stream-before"), *SOCKETS)
"""Channels that bring what other tabs are told, too; those that only their page tells from another one are stress."""
PROMPT = "Grüße, 世界"


class Page:
    """One open page of the site, and the worker that answers chats by it."""

    def __init__(self, worker: Worker, site: TransportSite, limits: TurnSettings) -> None:
        self.worker = worker
        self.site = site
        self.limits = limits
        self.name = ""
        """The transport of the page."""
        self.has_begun = asyncio.Event()
        """Set when a part of an answer has come; until then its page may go to another document that brings it."""

    async def start_over(self) -> None:
        """Forget what the site was told, and load the page anew where it is not as it was loaded."""
        has_changed = self.site.has_changed_pages
        self.site.forget()
        self.has_begun.clear()
        if has_changed:
            await self.show(self.name)

    async def show(self, name: str) -> None:
        """Load the page of a transport, and wait until it takes a prompt."""
        assert self.worker.shown is not None
        await self.worker.shown.page.goto(f"{self.site.url}/page/{name}")
        await self.worker.shown.driver.ready()
        self.name = name

    async def is_true(self, expression: str) -> bool:
        """Tell whether an expression is true in the page."""
        assert self.worker.shown is not None
        return bool(await self.worker.shown.page.evaluate(f"() => {expression}"))

    async def events(self, prompt: str = PROMPT) -> AsyncGenerator[ChatEvent]:
        """Yield the events of one chat."""
        request = ChatRequest("chat", Model("transports"), (Message("user", prompt),))
        async with aclosing(self.worker.chat(request, Timeline("chat", "transports"))) as events:
            async for event in events:
                if isinstance(event, Text):
                    self.has_begun.set()
                yield event

    async def ask(self, prompt: str = PROMPT) -> str:
        """Return the whole answer to a prompt."""
        async with asyncio.timeout(LIMIT):
            events = [event async for event in self.events(prompt)]
        assert events[-1] == Finish()
        return text_of(events)

    async def fails(self) -> tuple[str, BridgeError]:
        """Return the text that came before the error, and the error."""
        events = list[ChatEvent]()

        async def collect() -> None:
            async for event in self.events():
                events.append(event)

        with pytest.raises(BridgeError) as caught:
            await asyncio.wait_for(collect(), LIMIT)
        assert Finish() not in events
        return text_of(events), caught.value


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


@asynccontextmanager
async def opened(folder: Path, chromium: Chromium, driver: str) -> AsyncGenerator[Page]:
    """Run the site, and open a page of it as an account's."""
    limits = TurnSettings(ready=60, submit=20, first_byte=30, silence=30, stop=10)
    settings = settings_for(folder, turn=limits, browser=light_browser(hosts="any"))
    state: dict[str, Any] = {"cookies": [], "origins": []}
    name = next(page for page in PAGES if PAGES[page] == driver)
    async with transport_site() as site:
        path = f"tests.support.transports.{driver}"
        profile = Profile(name="me", site=path, url=f"{site.url}/page/{name}", storage_state=state)
        worker = Worker(profile, None, chromium, settings.pages, Telemetry())
        async with worker.opened():
            yield Page(worker, site, limits)


Opened = Callable[[str], Awaitable[Page]]


@pytest.fixture(scope="module")
async def page_of(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Opened]:
    """One page for each driver, opened when the first of its tests asks for it: to open one is what costs."""
    pages = dict[str, Page]()
    async with AsyncExitStack() as stack:

        async def page_of(driver: str) -> Page:
            if driver not in pages:
                folder = tmp_path_factory.mktemp("transport")
                pages[driver] = await stack.enter_async_context(opened(folder, chromium, driver))
            return pages[driver]

        yield page_of


@pytest.fixture(scope="module")
async def shared(request: pytest.FixtureRequest, page_of: Opened) -> Page:
    """The page of one transport, for all tests of it: they are played one after the other."""
    page = await page_of(PAGES[request.param])
    page.site.forget()
    await page.show(request.param)
    return page


@pytest.fixture
async def run(shared: Page) -> Page:
    await shared.start_over()
    return shared


def on(*pages: Any) -> pytest.MarkDecorator:
    """Play a test on each of these pages."""
    return pytest.mark.parametrize("shared", pages, indirect=True)


@on(*PLAIN, *stress(*TWINS))
async def test_an_answer_comes_whole_by_each_transport_turn_after_turn(run: Page) -> None:
    for prompt in (PROMPT, "and once more"):
        assert await run.ask(prompt) == answer_to(prompt)


@on(*(page for page in PLAIN if page != "json"), *stress(*TWINS))
async def test_an_answer_comes_while_the_site_still_writes_it(run: Page) -> None:
    run.site.hangs = True
    async with asyncio.timeout(LIMIT):
        text = ""
        async with aclosing(run.events()) as events:
            async for event in events:
                text += event.text if isinstance(event, Text) else ""
                if len(text) >= len(answer_to(PROMPT)) // 3:
                    run.site.go_on.set()
        assert text == answer_to(PROMPT)


@on(*SHARED)
async def test_what_another_tab_is_told_on_the_same_channel_is_no_part_of_the_answer(run: Page) -> None:
    run.site.other_tabs = True
    assert await run.ask() == answer_to(PROMPT)


@on("title-first", "repeating")
async def test_of_several_streams_of_a_turn_the_one_with_the_answer_is_read(run: Page) -> None:
    prompt = PROMPT if run.name == "title-first" else f"{PROMPT} captcha"
    assert await run.ask(prompt) == answer_to(prompt)
    assert len(run.site.turns) == 2


@on("aborting")
async def test_a_stream_that_the_page_itself_gives_up_after_its_last_frame_has_ended_well(run: Page) -> None:
    run.site.keeps_open = True
    assert await run.ask() == answer_to(PROMPT)
    assert await run.ask() == answer_to(PROMPT)
    assert run.site.stops == 0


@on("xhr", "other-origin", *stress("sse", "connect"))
async def test_a_stream_that_is_cut_is_no_answer(run: Page) -> None:
    run.site.cuts = True
    text, error = await run.fails()
    assert answer_to(PROMPT).startswith(text)
    assert "The answer broke off: net::ERR_INCOMPLETE_CHUNKED_ENCODING" in error.message


@on("sse", *SHARED)
async def test_an_answer_that_stops_without_an_end_is_stopped_after_a_silence_whatever_else_the_channel_brings(
    run: Page,
) -> None:
    run.site.hangs = True
    with changed(run.limits, silence=1):
        text, error = await run.fails()
    assert isinstance(error, SiteTimeout)
    assert 0 < len(text) < len(answer_to(PROMPT))
    assert run.site.stops == 1
    run.site.hangs = False
    assert await run.ask() == answer_to(PROMPT)


@on("sse", *SHARED)
async def test_a_client_that_leaves_stops_the_site_by_whatever_channel_the_answer_came(run: Page) -> None:
    run.site.hangs = True
    async with aclosing(run.events()) as events:
        await anext(events)
    assert run.site.stops == 1
    assert await run.ask() == answer_to(PROMPT)


@on(*SOCKETS)
async def test_a_socket_that_closes_in_the_middle_ends_the_turn_and_the_next_one_works_by_the_pages_new_one(
    run: Page,
) -> None:
    run.site.hangs = True
    async with asyncio.TaskGroup() as tasks:
        failing = tasks.create_task(run.fails())
        await run.has_begun.wait()
        await run.site.close_sockets()
        text, error = await failing
        assert "The answer broke off" in error.message
        assert answer_to(PROMPT).startswith(text)
        run.site.go_on.set()
        assert await run.ask() == answer_to(PROMPT)


@on("prompt-by-socket-text")
async def test_a_prompt_that_is_another_one_never_leaves_by_a_socket(run: Page) -> None:
    await run.site.order("window.typed = send; send = turn => typed({ ...turn, prompt: 'another' })")
    await until(lambda: run.is_true("window.typed && send !== typed"))
    _, error = await run.fails()
    assert "the prompt is another one" in error.message
    assert run.site.turns == []
    await run.site.order("send = typed")
    await until(lambda: run.is_true("send === typed"))
    assert await run.ask() == answer_to(PROMPT)


@on("prompt-by-socket-text")
async def test_a_prompt_that_no_chat_asked_for_does_not_leave_by_a_socket(run: Page) -> None:
    await run.site.order("window.last = socket; socket.send(JSON.stringify({ id: 'mine', prompt: 'by itself' }))")
    await until(lambda: run.is_true("window.last && last.readyState === 3"))
    assert run.site.turns == []
    assert await run.ask() == answer_to(PROMPT)


@on("sse", "eventsource", *SHARED)
async def test_a_page_that_goes_to_its_login_in_the_middle_ends_the_turn_with_that(run: Page) -> None:
    run.site.hangs = True
    async with asyncio.TaskGroup() as tasks:
        failing = tasks.create_task(run.fails())
        await run.has_begun.wait()
        run.site.is_signed_in = False
        await run.site.order("location.href = '/login'")
        text, error = await failing
        assert isinstance(error, LoginRequired)
        assert error.message == "The account is signed out."
        assert answer_to(PROMPT).startswith(text)


@on("sse", "socket-text")
async def test_a_page_that_shows_its_login_without_loading_anything_ends_the_turn_with_that(run: Page) -> None:
    run.site.hangs = True
    async with asyncio.TaskGroup() as tasks:
        failing = tasks.create_task(run.fails())
        await run.has_begun.wait()
        await run.site.order(
            "document.body.innerHTML = '<a id=sign-in>Sign in</a>'; history.pushState({}, '', '/#/login')"
        )
        _, error = await failing
        assert isinstance(error, LoginRequired)


@on("sse", "eventsource", *SHARED)
async def test_a_page_that_loads_itself_anew_in_the_middle_ends_the_turn_with_a_clear_error(run: Page) -> None:
    run.site.hangs = True
    async with asyncio.TaskGroup() as tasks:
        failing = tasks.create_task(run.fails())
        await run.has_begun.wait()
        await run.site.order("location.reload()")
        _, error = await failing
        assert type(error) is SiteError
        assert error.message == "The answer broke off: the page went to another document."
        run.site.go_on.set()
        assert await run.ask() == answer_to(PROMPT)


@on("eventsource-before", "socket-text")
async def test_no_prompt_leaves_before_the_channel_is_there_that_brings_its_answer(run: Page) -> None:
    run.site.connects_after = 0.5
    await run.show(run.name)
    with changed(run.limits, silence=5, first_byte=5):
        assert await run.ask() == answer_to(PROMPT)


@on("sse", "other-origin", "eventsource", *SHARED)
async def test_a_page_that_loads_itself_anew_after_each_turn_loses_none(run: Page) -> None:
    assert run.worker.shown is not None
    run.site.reloads, before = 2, run.site.loads
    await run.site.order("window.afterwards = () => location.reload()")
    await until(lambda: run.is_true("!!window.afterwards"))
    for prompt in (PROMPT, "and once more", "and again"):
        assert await run.ask(prompt) == answer_to(prompt)
    await run.worker.shown.page.wait_for_function("!window.afterwards")  # the last one is as it was before
    assert run.site.loads == before + 3
    assert [turn["prompt"] for turn in run.site.turns] == [PROMPT, "and once more", "and again"]


@on("socket-text")
async def test_a_prompt_that_the_site_refuses_is_told_by_its_own_response_where_the_answer_would_come_elsewhere(
    run: Page,
) -> None:
    run.site.is_signed_in = False
    _, error = await run.fails()
    assert isinstance(error, LoginRequired)
    assert "signed out" in error.message


async def test_a_page_that_was_given_up_takes_no_chat_any_more(tmp_path: Path, chromium: Chromium) -> None:
    async with opened(tmp_path, chromium, "answered") as page:
        page.worker.give_up(BrowserError("The page hangs."))
        text, error = await page.fails()
        assert (text, error.message, error.sent) == ("", "The page hangs.", False)
