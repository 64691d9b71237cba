"""Whatever dies under a chat, the client is told at once, the next chat works, and no process is left over."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai import APIError, AsyncStream
from openai.types.chat import ChatCompletionChunk

from bridge.browser.processes import RunFile, command, sweep
from bridge.demo import DemoSite
from bridge.storage.key_files import KeyFile
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import BrowserLost
from tests.support.browsers import is_light, light_browser
from tests.support.live import QUICK_SITE, Live, directive, live, settings_for, signed_in_profile
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser

SLOW = directive(tokens=5000, rate=50)
HEALTH = light_browser(call_limit=5)
PARTS = ("renderer", "browser", "network.mojom.NetworkService", "driver")


async def one_pid(run: Live, kind: str) -> int:
    pids = await run.pids(kind)
    assert pids, kind
    return pids[0]


async def rest_of(stream: AsyncStream[ChatCompletionChunk]) -> int:
    """Return how many more chunks came."""
    async with asyncio.timeout(LIMIT):
        return len([chunk async for chunk in stream])


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def gone(*pids: int) -> None:
    await until(lambda: all(map(is_gone, pids)))


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Live]:
    """A bridge with a browser of its own, which most tests harm."""
    async with live(tmp_path_factory.mktemp("failures"), browser=HEALTH) as run:
        yield run


@pytest.mark.parametrize("part", PARTS)
async def test_a_chat_that_loses_its_browser_ends_with_an_error_and_the_next_one_works(run: Live, part: str) -> None:
    before = [pid for _, pid in await run.bridge.browser.processes()]
    stream = await run.stream(SLOW)
    await anext(aiter(stream))
    victim = await one_pid(run, part)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(APIError):
        await rest_of(stream)
    assert await run.ask(directive(text="after")) == "after"
    turn = run.account().turns[-1]
    assert turn.cookies == ("ds_session_id",)
    await gone(victim)
    if part in ("browser", "driver"):
        await gone(*before)


@pytest.mark.parametrize("part", [*PARTS[:2], *stress(*PARTS[2:])])
async def test_a_chat_that_comes_after_the_browser_was_lost_is_answered_all_the_same(run: Live, part: str) -> None:
    os.kill(await one_pid(run, part), signal.SIGKILL)
    assert await run.ask(directive(text="as if nothing had happened")) == "as if nothing had happened"
    assert run.account().turns[-1].cookies == ("ds_session_id",)
    assert len(run.account().turns) == 1
    lost = [fact for fact in run.facts.seen if isinstance(fact, BrowserLost)]
    assert len(lost) == (part != "renderer"), "it is reported once"


@pytest.mark.parametrize("part", [*PARTS[:1], *stress(*PARTS[1:])])
async def test_a_chat_that_loses_its_browser_in_an_upload_is_answered_all_the_same(run: Live, part: str) -> None:
    prompt = {"type": "text", "text": directive(files=True)}
    notes = {"type": "file", "file": {"filename": "notes.txt", "file_data": "c29tZSBub3Rlcw=="}}
    run.account().fault("upload_slow", seconds=3600)
    message: Any = {"role": "user", "content": [prompt, notes]}
    chat = asyncio.get_running_loop().create_task(
        run.client.chat.completions.create(model="deepseek-chat", messages=[message])
    )
    await run.account().wait_for(lambda account: account.files, LIMIT)
    os.kill(await one_pid(run, part), signal.SIGKILL)
    assert "notes.txt" in str((await chat).choices[0].message.content)
    assert [turn.files for turn in run.account().turns] == [("notes.txt",)]


async def test_a_page_that_hangs_in_mid_chat_is_noticed_and_replaced(run: Live) -> None:
    stream = await run.stream(SLOW)
    await anext(aiter(stream))
    victim = await one_pid(run, "renderer")
    os.kill(victim, signal.SIGSTOP)
    with pytest.raises(APIError, match="hangs"):
        await rest_of(stream)
    assert await run.ask(directive(text="after")) == "after"
    await gone(victim)


async def test_two_accounts_survive_the_end_of_one_page(tmp_path: Path, run: Live) -> None:
    others = set(await run.pids("renderer"))
    async with live(tmp_path, "alice", "bob", chromium=run.bridge.browser, browser=HEALTH) as both:
        streams = [await both.stream(directive(tokens=50, rate=5)) for _ in range(2)]  # both for ten seconds
        for stream in streams:
            await anext(aiter(stream))
        os.kill(next(pid for pid in await both.pids("renderer") if pid not in others), signal.SIGKILL)
        results = []
        for stream in streams:
            try:
                results.append(await rest_of(stream) > 12)
            except APIError:
                results.append(False)
        assert sorted(results) == [False, True]


class Serving:
    """`bridge serve` in a process of its own."""

    def __init__(self, folder: Path, site: DemoSite) -> None:
        self.settings = settings_for(folder)
        store = ProfileStore(self.settings.profiles, load_identity(self.settings.key_source))
        if not store.exists("alice"):
            store.save(signed_in_profile(site, "alice"))
        self.key = KeyFile(self.settings.config).keys()[0]
        self.url = ""
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start, and return once a chat could be taken."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "serve", "--port", "0"),
            env={
                **os.environ,
                "BRIDGE_CONFIG": str(self.settings.config),
                "BRIDGE_PROFILES": str(self.settings.profiles),
                "BRIDGE_POOL_MIN_INTERVAL": "0",
                "BRIDGE_BROWSER_SHELL": str(is_light()),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        await self.line(r"alice is ready")

    async def line(self, pattern: str) -> str:
        """Return the next line of output that matches; the address is kept on the way."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while raw := await self.process.stdout.readline():
                text = raw.decode()
                if found := re.search(r"http://127\.0\.0\.1:\d+", text):
                    self.url = self.url or found[0]
                if re.search(pattern, text):
                    return text
        raise AssertionError(f"no line matches {pattern}")

    async def curl(self, prompt: str, *, stream: bool) -> asyncio.subprocess.Process:
        """Ask; the answer is on the process' standard output."""
        messages = [{"role": "user", "content": prompt}]
        body = json.dumps({"model": "deepseek-chat", "stream": stream, "messages": messages})
        return await asyncio.create_subprocess_exec(
            *("curl", "-sSN", "--max-time", "300", f"{self.url}/v1/chat/completions", "-d", body),
            *("-H", f"Authorization: Bearer {self.key}", "-H", "Content-Type: application/json"),
            stdout=asyncio.subprocess.PIPE,
        )

    def chromium(self) -> list[psutil.Process]:
        """Return the processes that descend from the bridge."""
        return psutil.Process(self.process.pid).children(recursive=True)


async def test_a_killed_bridge_leaves_no_process_behind_after_the_next_start_and_a_stopped_one_lets_its_chat_end(
    tmp_path: Path,
) -> None:
    async with DemoSite(QUICK_SITE) as site:
        killed = Serving(tmp_path, site)
        await killed.start()
        asking = await killed.curl(SLOW, stream=True)
        assert asking.stdout is not None
        assert await asking.stdout.readline()
        family = killed.chromium()
        renderers = [process for process in family if "--type=renderer" in process.cmdline()]
        renderers[0].suspend()  # a hung one does not notice that its browser is gone
        killed.process.kill()
        await killed.process.wait()
        await asking.wait()
        bridge = Serving(tmp_path, site)
        await bridge.start()
        await gone(*(process.pid for process in family))
        asking = await bridge.curl(directive(tokens=50, rate=5), stream=True)
        assert asking.stdout is not None
        assert await asking.stdout.readline()
        family = bridge.chromium()
        bridge.process.terminate()
        await bridge.line("Stopping")
        refused, _ = await (await bridge.curl("too late", stream=False)).communicate()
        assert b"The bridge is stopping" in refused
        rest, _ = await asking.communicate()
        assert rest.rstrip().endswith(b"data: [DONE]")
        assert await bridge.process.wait() == 0
        await gone(*(process.pid for process in family))


async def test_sweeping_spares_what_belongs_to_a_living_bridge_whatever_happens_to_the_clock(tmp_path: Path) -> None:
    sleeper = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    held = RunFile(tmp_path, sleeper.pid)
    path = tmp_path / f"chromium-{sleeper.pid}.json"
    assert path.stat().st_mode & 0o077 == 0
    note = json.loads(path.read_text())  # creation times of processes move by as much as the clock is set
    path.write_text(
        json.dumps({key: value + 1.5 if isinstance(value, float) else value for key, value in note.items()})
    )
    assert sweep(tmp_path) == 0
    assert not is_gone(sleeper.pid)
    held.remove()
    sleeper.kill()
    await sleeper.wait()


async def test_sweeping_ends_what_a_killed_bridge_left_but_no_stranger_that_has_its_number_now(tmp_path: Path) -> None:
    left = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    stranger = await asyncio.create_subprocess_exec("sleep", "61", start_new_session=True)
    (tmp_path / "chromium-1.json").write_text(json.dumps({"leader": left.pid, "command": ["sleep", "60"]}))
    (tmp_path / "chromium-2.json").write_text(json.dumps({"leader": stranger.pid, "command": ["chromium"]}))
    (tmp_path / "chromium-3.json").write_text(json.dumps({"leader": 1, "command": psutil.Process(1).cmdline()}))
    (tmp_path / "chromium-4.json").write_text("[]")
    await until(lambda: command(left.pid) == ["sleep", "60"] and command(stranger.pid) == ["sleep", "61"])
    assert sweep(tmp_path) == 1
    assert await left.wait() == -signal.SIGKILL
    assert not is_gone(stranger.pid)
    assert os.listdir(tmp_path) == []
    assert command(left.pid) is None
    stranger.kill()
    await stranger.wait()
