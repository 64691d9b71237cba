"""The account's window is minimized while its page answers, as a person would leave it, and back for all else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from bridge.browser.browser import Chromium
from bridge.browser_settings import BrowserSettings
from bridge.demo import Script
from bridge.storage.key_files import KeyFile
from bridge.worker.page_session import Session
from bridge.worker.worker import Worker
from tests.support.live import QUICK_SITE, Live, directive, live
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser
LONG = 4000
JPEG = b"\xff\xd8"
BLANK = 10_000
"""Bytes that a picture of an empty page has at most."""
NOTICE = """() => {
  window.noticed = [];
  for (const kind of ["visibilitychange", "blur", "focus", "resize", "freeze", "pagehide"])
    for (const target of [window, document]) target.addEventListener(kind, () => noticed.push(kind));
}"""
SEEN = "() => [document.visibilityState, document.hasFocus(), ...noticed]"


HEAVY = replace(QUICK_SITE, page="heavy")
"""The site with the page that is drawn at each piece of an answer; the other one is drawn in frames."""
WINDOWED = BrowserSettings(check_every=0.5)
"""A browser with windows, which the headless shell has not."""


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, full_chromium: Chromium) -> AsyncGenerator[Live]:
    async with live(tmp_path_factory.mktemp("minimized"), chromium=full_chromium, demo=HEAVY, browser=WINDOWED) as run:
        yield run


def session_of(run: Live) -> Session:
    worker = run.bridge.pool.worker("alice")
    assert isinstance(worker, Worker)
    assert worker.shown is not None
    return worker.shown


async def state_of(run: Live) -> str:
    """Return what the browser says of the window."""
    answer = await session_of(run).interceptor.session.send("Browser.getWindowForTarget")
    return str(answer["bounds"]["windowState"])


async def has_window(run: Live, state: str) -> None:
    """Wait until the window is in that state."""

    async def is_so() -> bool:
        return await state_of(run) == state

    await until(is_so)


async def read(stream: AsyncStream[ChatCompletionChunk]) -> str:
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def minimized(run: Live, **script: object) -> AsyncStream[ChatCompletionChunk]:
    """Begin an answer that has no end, and return its stream once the window is minimized."""
    stream = await run.stream(directive(**{"tokens": LONG, "rate": 50, "markdown": True, **script}))
    await has_window(run, "minimized")
    return stream


async def test_the_window_is_minimized_while_the_page_answers_and_the_page_sees_nothing_of_it(run: Live) -> None:
    await minimized_and_back(run)


async def test_a_page_that_draws_in_frames_has_drawn_the_answer_when_the_account_is_free(
    tmp_path: Path, full_chromium: Chromium
) -> None:
    async with live(tmp_path, chromium=full_chromium, browser=WINDOWED) as run:
        await minimized_and_back(run)


async def minimized_and_back(run: Live) -> None:
    """Have an answer written in a minimized window, and another one after it."""
    page = session_of(run).page
    await page.evaluate(NOTICE)
    stream = await minimized(run, tokens=60, rate=15)
    assert run.account().generating
    assert await page.evaluate(SEEN) == ["visible", True]
    text = await read(stream)
    assert text == run.account().turns[-1].sent_text
    await has_window(run, "normal")
    assert await page.evaluate(SEEN) == ["visible", True]
    await page.locator(".ds-markdown", has_text="word59").wait_for()
    assert await run.ask(directive(text="the next one")) == "the next one"
    assert [turn.outcome for turn in run.account().turns] == ["finished"] * 2


async def test_a_client_that_leaves_a_minimized_page_stops_the_site_and_the_next_chat_is_answered(run: Live) -> None:
    stream = await minimized(run)
    await stream.close()
    await run.account().wait_for(lambda account: account.turns[-1].outcome == "stopped", LIMIT)
    assert await run.ask(directive(text="next")) == "next"
    assert await state_of(run) == "normal"
    assert run.account().max_parallel == 1


async def test_an_answer_that_breaks_off_in_a_minimized_window_is_continued(run: Live) -> None:
    run.account().script(Script(tokens=40, rate=15, fault="incomplete", params={"after": 33}))
    text = await read(await run.stream("go on"))
    assert text == "".join(f"word{number} " for number in range(40))


async def test_who_looks_at_a_minimized_page_sees_it_at_work_and_leaves_it_minimized(run: Live) -> None:
    stream = await minimized(run)
    worker = run.bridge.pool.worker("alice")
    assert worker is not None
    assert (await worker.thumbnail() or b"").startswith(JPEG)
    assert ((await worker.bundle()) / "screenshot.png").stat().st_size > BLANK
    key = KeyFile(run.settings.config, "admin_key").keys()[0]
    path = f"{run.bridge.url}/admin/api/live/account/alice"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http,
        http.ws_connect(path) as socket,
    ):
        await socket.send_json({"type": "window", "width": 800, "height": 600})
        await has_window(run, "normal")
        async with asyncio.timeout(LIMIT):
            while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
                pass
        assert run.account().generating
    await has_window(run, "minimized")
    await stream.close()
    await run.account().wait_for(lambda account: account.turns[-1].outcome == "stopped", LIMIT)
