"""In a real Chromium: accounts sleep and wake without a trace, and a second browser takes over without a lost chat."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest
from openai.types.chat import ChatCompletionMessageParam

from bridge.browser.renewal import why_due
from bridge.settings import BrowserSettings, SleepSettings
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import BrowserReplaced, WorkerChanged, WorkerState
from tests.support.browsers import light_browser
from tests.support.live import Live, directive, live
from tests.support.stress import stress
from tests.support.waiting import until
from tests.support.watching import account_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Live]:
    """A bridge with a browser of its own, which may be replaced."""
    browser = light_browser(check_every=0.2, call_limit=3)
    async with live(tmp_path_factory.mktemp("own"), "alice", "bob", browser=browser) as run:
        yield run


async def until_closed(run: Live) -> None:
    """Wait until no context is open in the browser."""
    running = run.bridge.browser.running
    assert running is not None
    await until(lambda: not running.browser.contexts)


async def traces(run: Live) -> tuple[int, int, int, int]:
    """Return the numbers of contexts, pages' processes, open files and tasks."""
    running = run.bridge.browser.running
    assert running is not None
    renderers: list[int] = []

    async def are_few() -> bool:
        renderers[:] = await run.pids("renderer")
        return len(renderers) <= len(running.browser.contexts)

    await until(are_few)
    return len(running.browser.contexts), len(renderers), len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


@pytest.mark.parametrize("rounds", [3, *stress(100)])
async def test_accounts_sleep_and_wake_again_and_again_and_leave_no_process_context_file_or_task(
    tmp_path: Path, rounds: int
) -> None:
    names = ("alice", "bob")
    async with live(tmp_path, *names, sleep=SleepSettings(keep_open=0)) as run:
        history: list[ChatCompletionMessageParam] = []
        seen: list[tuple[int, int, int, int]] = []
        for number in range(rounds):
            history.append({"role": "user", "content": directive(text=f"answer {number}")})
            answer = await run.client.chat.completions.create(model="deepseek-chat", messages=history)
            await run.facts.end_of(answer._request_id)
            history.append({"role": "assistant", "content": answer.choices[0].message.content})
            for name in names:
                await run.bridge.pool.sleep(name)  # at once, or after what is done for the idle page just now
            await until_closed(run)
            seen.append(await traces(run))
        conversations = [set(run.account(name).conversations) for name in names]
        assert sorted(map(len, conversations)) == [0, 1], "the conversation went on in its account after each wake-up"
        assert all(now <= then for now, then in zip(seen[-1], seen[1], strict=True)), seen


async def test_a_second_browser_takes_over_while_a_chat_runs_and_the_first_ends_after_it(run: Live) -> None:
    browser = run.bridge.browser
    before = browser.running
    assert before is not None
    ended = psutil.Process((await run.pids("browser"))[0])
    async with await run.stream(directive(tokens=60, rate=20)) as running:
        chunks = aiter(running)
        await anext(chunks)
        await browser.replace("the test wants it")
        await run.facts.wait_for(lambda fact: isinstance(fact, BrowserReplaced))
        assert ended.is_running(), "the chat that runs keeps its browser"
        assert await run.ask(directive(text="meanwhile")) == "meanwhile"
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])
    assert text.split()[-1] == "word59"
    await until(lambda: not ended.is_running() or ended.status() == psutil.STATUS_ZOMBIE)
    moved = {fact.account for fact in run.facts.seen if isinstance(fact, WorkerChanged) and fact.reason}
    assert moved == {"alice", "bob"}
    assert await asyncio.gather(*(run.ask(directive(text=name)) for name in ("x", "y"))) == ["x", "y"]
    assert not any(isinstance(fact, WorkerChanged) and fact.state is WorkerState.BROKEN for fact in run.facts.seen)
    assert browser.running is not before
    await until(lambda: len(run.bridge.pool.queue.idle()) == 2)
    await account_page(run).evaluate("() => localStorage.setItem('renewed', 'in the second browser')")
    await run.bridge.pool.reopen("alice")
    kept = ProfileStore(run.settings.profiles, load_identity(run.settings.key_source)).load("alice").storage_state
    assert "in the second browser" in json.dumps(kept), "logins are written back from there, too"


async def test_a_browser_is_replaced_when_it_is_old_or_large(run: Live) -> None:
    browser = run.bridge.browser
    assert await why_due(browser, BrowserSettings(), least_age=0) is None
    old = await why_due(browser, BrowserSettings(restart_hours=1e-6))
    assert old is not None
    assert "browser.restart_hours" in old
    large = await why_due(browser, BrowserSettings(restart_memory=10), least_age=0)
    assert large is not None
    assert "browser.restart_memory" in large
    assert await why_due(browser, BrowserSettings(restart_memory=10)) is None, "it has only just begun"
