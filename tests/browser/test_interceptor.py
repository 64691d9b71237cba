"""Gate and tap on a page of our own: nothing wrong leaves the browser, and no byte of an answer is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from aiohttp import web
from playwright.async_api import CDPSession, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

from bridge.browser.browser import Chromium
from bridge.browser.channels import Channels
from bridge.browser.chromium import TRIMMED, find, sandboxed
from bridge.browser.exchange import Chunk, Exchange, ResponseEnded, WrongSend
from bridge.browser.interceptor import Interceptor, Limits
from bridge.browser.page_messages import PageRequest, PageResponse
from bridge.errors import BrowserError, SiteError
from bridge.settings import BrowserSettings
from tests.support.browsers import light_browser
from tests.support.hostile import foreign_origins
from tests.support.listening import listening
from tests.support.waiting import LIMIT

SETTINGS = BrowserSettings()
SEND = """([path, body]) => new Promise(done => {
  const request = new XMLHttpRequest();
  request.open("POST", path);
  request.onload = () => done(request.status);
  request.onerror = () => done("network error");
  request.send(body);
})"""


@dataclass
class Site:
    """A site that answers `/answer` with the pieces it is given, and remembers what it was sent."""

    url: str = ""
    pieces: Sequence[bytes] = (b"hello",)
    gzip: bool = False
    cut: bool = False
    received: list[bytes] = field(default_factory=list)
    hold: asyncio.Event | None = None
    sends_on_to: str | None = None
    content_type: str = "text/event-stream; charset=utf-8"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send the pieces one by one."""
        self.received.append(await request.read())
        if self.sends_on_to:
            raise web.HTTPTemporaryRedirect(self.sends_on_to)
        response = web.StreamResponse(headers={"content-type": self.content_type})
        if self.gzip:
            response.enable_compression(force=web.ContentCoding.gzip)
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        if self.cut and request.transport is not None:
            request.transport.abort()
        return response


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    """Serve the site on a free port."""
    site = Site()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>page</title>", content_type="text/html")

    app = web.Application(client_max_size=2**26)
    posts = [web.post(path, site.answer) for path in ("/answer", "/more", "/other")]
    app.add_routes([web.get("/", page), *posts])
    async with listening(app) as site.url:
        yield site


@pytest.fixture(scope="module")
async def tab(chromium: Chromium) -> AsyncGenerator[Page]:
    """One page for all tests that do not end it."""
    async with chromium.context({}) as context:
        yield await context.new_page()


@asynccontextmanager
async def opened(
    page: Page, site: Site, impair: Callable[[CDPSession], Any] = lambda session: session, **limits: Any
) -> AsyncGenerator[tuple[Page, Interceptor]]:
    """Load the site's page, and put an interceptor before it."""
    await page.goto(site.url)
    session = await page.context.new_cdp_session(page)
    interceptor = Interceptor(impair(session), Channels(site.url, ("/answer", "/more")), Limits(**limits))
    await interceptor.start(page)
    yield page, interceptor
    await interceptor.close()
    if not page.is_closed():
        await session.detach()  # else it would hold the next one's requests


def nothing_wrong(_: PageRequest) -> Sequence[str]:
    return ()


async def received(exchange: Exchange) -> tuple[bytes, str | None]:
    """Return the body of the next response, and how it broke off."""
    body = b""
    async with asyncio.timeout(LIMIT):
        while True:
            match await exchange.receive():
                case Chunk(data):
                    body += data
                case PageResponse(status=status, content_type=kind):
                    assert (status, kind) == (200, "text/event-stream")
                case ResponseEnded(failure):
                    return body, failure


async def test_a_wrong_send_never_leaves_the_browser(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(lambda request: [f"it says {request.body.decode()}"]) as exchange:
            assert await page.evaluate(SEND, ["/answer", "wrong"]) == "network error"
            with pytest.raises(WrongSend, match="it says wrong"):
                await exchange.sent()
        assert site.received == []


async def test_a_send_that_no_chat_asked_for_is_turned_back(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, _):
        assert await page.evaluate(SEND, ["/answer", "by itself"]) == "network error"
        assert await page.evaluate(SEND, ["/other", "not ours"]) == 200
        assert site.received == [b"not ours"]


async def test_a_second_send_in_one_turn_is_turned_back(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            assert await page.evaluate(SEND, ["/answer", "first"]) == 200
            assert await page.evaluate(SEND, ["/answer", "second"]) == "network error"
            await exchange.sent()
        assert site.received == [b"first"]


async def test_going_on_may_be_repeated_when_the_last_response_is_over(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            for path, body in (("/answer", "first"), ("/more", "second"), ("/more", "third")):
                assert await page.evaluate(SEND, [path, body]) == 200
                assert await received(exchange) == (b"hello", None)
            assert await page.evaluate(SEND, ["/answer", "fourth"]) == "network error"
        assert site.received == [b"first", b"second", b"third"]


async def test_going_on_twice_at_once_is_turned_back(tab: Page, site: Site) -> None:
    site.hold = asyncio.Event()
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            for path in ("/answer", "/more"):
                await page.evaluate(f"([path, body]) => void ({SEND})([path, body])", [path, path])
            async with asyncio.timeout(LIMIT):
                await exchange.sent()
                while len(exchange.passed) < 2:
                    await exchange.receive()
            assert await page.evaluate(SEND, ["/more", "again"]) == "network error"
            site.hold.set()
            async with asyncio.timeout(LIMIT):
                await exchange.quiet()
        assert site.received == [b"/answer", b"/more"]


async def test_a_response_that_another_one_has_taken_over_is_not_heard_any_more(tab: Page, site: Site) -> None:
    site.hold = stalled = asyncio.Event()
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            await page.evaluate(f"([path, body]) => void ({SEND})([path, body])", ["/answer", "stalls"])
            async with asyncio.timeout(LIMIT):
                assert isinstance(await exchange.receive(), PageResponse)
                assert await exchange.receive() == Chunk(b"hello")
            site.hold = None
            assert await page.evaluate(SEND, ["/more", "goes on"]) == 200
            stalled.set()
            async with asyncio.timeout(LIMIT):
                await exchange.quiet()
            assert await received(exchange) == (b"hello", None)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await exchange.receive()


async def test_after_a_wrong_send_the_right_one_passes(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(lambda request: [] if request.body == b"right" else ["wrong"]) as exchange:
            await page.evaluate(SEND, ["/answer", "wrong"])
            with pytest.raises(WrongSend):
                await exchange.sent()
            await page.evaluate(SEND, ["/answer", "right"])
            await exchange.sent()
            assert await received(exchange) == (b"hello", None)


async def test_the_judge_sees_a_body_of_megabytes_whole(tab: Page, site: Site) -> None:
    seen: list[bytes] = []
    body = "长 prompt 🚀\n" * 100_000
    async with opened(tab, site) as (page, interceptor):

        def judge(request: PageRequest) -> Sequence[str]:
            seen.append(request.body)
            return ()

        with interceptor.exchange(judge):
            assert await page.evaluate(SEND, ["/answer", body]) == 200
    assert seen == [body.encode()]
    assert site.received == seen


async def test_a_hundred_instant_answers_lose_no_byte(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):
        for number in range(100):
            source = random.Random(number)
            site.gzip = bool(number % 2)
            whole = source.randbytes(source.randint(1, 5000))
            cuts = sorted(source.randint(0, len(whole)) for _ in range(source.randint(0, 8)))
            site.pieces = [whole[i:j] for i, j in zip([0, *cuts], [*cuts, len(whole)], strict=True) if i < j]
            with interceptor.exchange(nothing_wrong) as exchange:
                await page.evaluate(SEND, ["/answer", "x"])
                assert await received(exchange) == (whole, None), number
                assert exchange.open_responses == 0


async def test_bytes_are_there_while_the_site_still_sends(tab: Page, site: Site) -> None:
    site.hold = asyncio.Event()
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            asking = asyncio.ensure_future(page.evaluate(SEND, ["/answer", "x"]))  # noqa: TID251
            async with asyncio.timeout(LIMIT):
                assert isinstance(await exchange.receive(), PageResponse)
                assert await exchange.receive() == Chunk(b"hello")
            site.hold.set()
            assert await asking == 200


async def test_an_answer_that_is_cut_says_so(tab: Page, site: Site) -> None:
    site.cut = True
    async with opened(tab, site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            await page.evaluate(SEND, ["/answer", "x"])
            body, failure = await received(exchange)
            assert body in (b"hello", b"")
            assert failure is not None
            assert failure.startswith("net::")


async def test_a_page_that_is_closed_ends_the_turn_at_once(chromium: Chromium, site: Site) -> None:
    site.hold = asyncio.Event()
    async with chromium.context({}) as context, opened(await context.new_page(), site) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            await page.evaluate(f"([path, body]) => void ({SEND})([path, body])", ["/answer", "x"])
            async with asyncio.timeout(LIMIT):
                await exchange.sent()
                await page.close()
                with pytest.raises(BrowserError, match="closed"):
                    await received(exchange)
                await exchange.quiet()
        site.hold.set()


class Impaired:
    """A real CDP session on which the tap cannot be armed, or which drops the data of every third event."""

    def __init__(self, session: CDPSession, *, can_arm: bool) -> None:
        self._session = session
        self._can_arm = can_arm
        self._events = 0

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pass a command on."""
        if method == "Network.streamResourceContent" and not self._can_arm:
            raise PlaywrightError("Request has already finished loading")
        return await self._session.send(method, params)

    def on(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """Listen, through the fault."""

        def heard(params: dict[str, Any]) -> None:
            self._events += 1
            handler({name: value for name, value in params.items() if name != "data" or self._events % 3})

        self._session.on(event, heard if event == "Network.dataReceived" else handler)


@pytest.mark.parametrize("charset", ["; charset=utf-8", ""])
@pytest.mark.parametrize("can_arm", [False, True])
async def test_what_the_tap_does_not_deliver_is_fetched_at_the_end(
    tab: Page, site: Site, can_arm: bool, charset: str
) -> None:
    site.content_type = f"text/event-stream{charset}"

    def impair(session: CDPSession) -> Impaired:
        return Impaired(session, can_arm=can_arm)

    async with opened(tab, site, impair) as (page, interceptor):
        for number in range(0, 20, 2):
            site.pieces = [f"数 {number} {piece}|".encode() for piece in range(number * 3 + 1)]
            with interceptor.exchange(nothing_wrong) as exchange:
                await page.evaluate(SEND, ["/answer", "x"])
                assert await received(exchange) == (b"".join(site.pieces), None)


SECRET = "b7e1f09c44aa prompt that no other origin may get 5512d8"


async def test_a_send_to_another_origin_is_turned_back_whatever_its_path(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor), foreign_origins(1) as (foreign,):
        with interceptor.exchange(nothing_wrong) as exchange:
            assert await page.evaluate(SEND, [f"{foreign.url}/answer", SECRET]) == "network error"
            with pytest.raises(WrongSend, match=f"it goes to {foreign.url}, which is not the site"):
                await exchange.sent()
        assert foreign.pieces_of(SECRET) == []


@pytest.mark.parametrize("path", ["/answer", "/elsewhere"])
async def test_a_redirect_takes_no_prompt_to_another_address(tab: Page, site: Site, path: str) -> None:
    async with opened(tab, site) as (page, interceptor), foreign_origins(1) as (foreign,):
        site.sends_on_to = f"{foreign.url}{path}"
        with interceptor.exchange(nothing_wrong) as exchange:
            assert await page.evaluate(SEND, ["/answer", SECRET]) == "network error"
            await exchange.sent()
            body, failure = await received(exchange)
            assert body == b""
            assert failure == "the site redirected the page's request to another address, which was not followed"
        assert site.received == [SECRET.encode()]
        assert foreign.pieces_of(SECRET) == []


async def test_a_request_that_cannot_be_judged_is_failed_and_the_next_one_passes(tab: Page, site: Site) -> None:
    async with opened(tab, site) as (page, interceptor):

        def judge(request: PageRequest) -> Sequence[str]:
            return () if request.body == b"good" else [str(1 // 0)]

        with interceptor.exchange(judge) as exchange:
            assert await page.evaluate(SEND, ["/answer", "bad"]) == "network error"
            with pytest.raises(WrongSend, match="could not be checked"):
                await exchange.sent()
            assert await page.evaluate(SEND, ["/answer", "good"]) == 200
            assert await received(exchange) == (b"hello", None)


class Garbled:
    """A real CDP session whose events are changed on their way, or one of whose commands gets no answer."""

    def __init__(self, session: CDPSession, event: str = "", silent: str = "", **changes: Any) -> None:
        self._session = session
        self._event = event
        self._silent = silent
        self._changes = changes

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pass a command on."""
        if method == self._silent:
            await asyncio.Event().wait()
        return await self._session.send(method, params)

    def on(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        """Listen, through the fault."""
        changes = self._changes if event == self._event else {}
        self._session.on(event, lambda params: handler({**params, **changes}))


async def test_a_held_request_without_a_number_is_failed(tab: Page, site: Site) -> None:
    def impair(session: CDPSession) -> Garbled:
        return Garbled(session, "Fetch.requestPaused", networkId=None)

    async with opened(tab, site, impair) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            assert await page.evaluate(SEND, ["/answer", "x"]) == "network error"
            with pytest.raises(WrongSend, match="gives no network id"):
                await exchange.sent()
        assert site.received == []


async def test_an_answer_from_another_origin_is_not_read(tab: Page, site: Site) -> None:
    def impair(session: CDPSession) -> Garbled:
        response = {"url": "https://elsewhere.example/answer", "status": 200, "headers": {}}
        return Garbled(session, "Network.responseReceived", response=response)

    async with opened(tab, site, impair) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            assert await page.evaluate(SEND, ["/answer", "x"]) == 200
            said = "the answer came from https://elsewhere.example, which is not the site"
            assert await received(exchange) == (b"", said)


@pytest.mark.parametrize("method", ["Fetch.continueRequest", "Network.streamResourceContent"])
async def test_a_browser_that_does_not_answer_to_the_gate_ends_the_turn_or_costs_it_only_the_stream(
    tab: Page, site: Site, method: str
) -> None:
    def impair(session: CDPSession) -> Garbled:
        return Garbled(session, silent=method)

    async with opened(tab, site, impair, call=1.0) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            await page.evaluate(f"([path, body]) => void ({SEND})([path, body])", ["/answer", "x"])
            if method == "Fetch.continueRequest":
                with pytest.raises(BrowserError, match="did not answer Fetch"):
                    await received(exchange)
            else:
                assert await received(exchange) == (b"hello", None)


async def test_an_answer_without_an_end_is_read_up_to_a_limit(tab: Page, site: Site) -> None:
    site.pieces = [b"x" * 65_536] * 64
    async with opened(tab, site, answer=2**20) as (page, interceptor):
        with interceptor.exchange(nothing_wrong) as exchange:
            await page.evaluate(SEND, ["/answer", "x"])
            with pytest.raises(SiteError, match="more than 1048576 bytes"):
                await received(exchange)
            async with asyncio.timeout(LIMIT):
                await exchange.quiet()


def features(pid: int) -> set[str]:
    """Return what the last `--disable-features` on a process' command line turns off: it replaces earlier ones."""
    switches = [word for word in psutil.Process(pid).cmdline() if word.startswith("--disable-features=")]
    return set(switches[-1].partition("=")[2].split(","))


async def test_no_page_costs_a_second_renderer(chromium: Chromium, site: Site) -> None:
    async def renderers() -> int:
        return [kind for kind, _ in await chromium.processes()].count("renderer")

    before = await renderers()
    async with chromium.context({}) as one, chromium.context({}) as two:
        for context in (one, two):
            page = await context.new_page()
            async with opened(page, site):
                pass
        assert await renderers() == before + 2


async def test_playwrights_own_list_of_disabled_features_is_still_in_force(chromium: Chromium) -> None:
    ours = features(dict(await chromium.processes())["browser"])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find(light_browser()), chromium_sandbox=sandboxed(SETTINGS)
        )
        session = await browser.new_browser_cdp_session()
        found = await session.send("SystemInfo.getProcessInfo")
        theirs = features(next(item["id"] for item in found["processInfo"] if item["type"] == "browser"))
        await browser.close()
    assert theirs <= ours
    assert set(TRIMMED) <= ours
