"""The start of Chromium: no step of it may take for ever, because all accounts wait for it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bridge.browser.browser import Chromium
from bridge.browser.chromium import sandboxed
from bridge.browser.processes import children, command, descendants
from bridge.errors import BridgeError
from bridge.settings import BrowserSettings, Settings
from bridge.telemetry import Telemetry
from tests.support.live import settings_for
from tests.support.waiting import until
from tests.worker.test_failures_live import gone

pytestmark = pytest.mark.browser

LIMIT = 40.0
SILENT = """#!{python}
import json, os

def messages():
    held = b""
    while data := os.read(3, 65536):
        *whole, held = (held + data).split(b"\\0")
        yield from map(json.loads, whole)

for message in messages():
    if message["method"] != {silent!r}:
        target = {{"targetId": "1", "type": "browser"}}
        result = {{"product": "Chrome/156.0.0.0", "userAgent": "-", "targetInfo": target, "sessionId": "1"}}
        answer = {{"id": message["id"], "result": result}}
        if "sessionId" in message:
            answer["sessionId"] = message["sessionId"]
        os.write(4, json.dumps(answer).encode() + b"\\0")
"""
"""A browser that answers everything but one command."""


@pytest.mark.parametrize("silent", ["Browser.getVersion", "SystemInfo.getProcessInfo"])
async def test_a_browser_that_falls_silent_while_it_starts_is_given_up_and_the_next_start_is_tried(
    tmp_path: Path, silent: str
) -> None:
    executable = tmp_path / "chromium"
    executable.write_text(SILENT.format(python=sys.executable, silent=silent))
    executable.chmod(0o700)
    settings = Settings(config=tmp_path, browser=BrowserSettings(executable=executable, call_limit=1))
    settings = settings.model_copy(update={"turn": settings.turn.model_copy(update={"ready": 5.0})})
    browser = Chromium(settings.pages, Telemetry())
    before = children()

    def is_left() -> bool:
        # by its command: a browser whose driver has gone is nobody's child; one that other tests share has new ones
        of_it = (each for each in psutil.process_iter() if str(executable) in (command(each.pid) or ()))
        return any(map(psutil.Process.is_running, of_it)) or bool(children(before))

    for _ in range(2):
        async with asyncio.timeout(LIMIT):
            with pytest.raises(BridgeError):
                await browser.version()
        await until(lambda: not is_left())
    await browser.close()


async def test_a_driver_that_hangs_is_killed_with_its_browser_when_the_bridge_stops(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    limited = settings.browser.model_copy(update={"call_limit": 1.0})
    browser = Chromium(settings.model_copy(update={"browser": limited}).pages, Telemetry())
    pids = [pid for _, pid in await browser.processes()]
    os.kill(pids[0], signal.SIGSTOP)
    async with asyncio.timeout(LIMIT):
        await browser.close()
    await gone(*pids)


def is_begun(family: Sequence[psutil.Process]) -> bool:
    return bool(family)  # a look may come too late to find one alone


def is_at_work(family: Sequence[psutil.Process]) -> bool:
    return bool(family) and family[0].cpu_times().user > 0.02


def has_browser(family: Sequence[psutil.Process]) -> bool:
    return len(family) > 1


@pytest.mark.parametrize("is_far_enough", [is_begun, is_at_work, has_browser])
async def test_a_start_that_is_given_up_leaves_no_process_behind(
    tmp_path: Path, is_far_enough: Callable[[Sequence[psutil.Process]], bool]
) -> None:
    browser = Chromium(settings_for(tmp_path).pages, Telemetry())
    before = children()

    def started() -> list[psutil.Process]:
        return [each for driver in children(before) for each in (driver, *descendants(driver))]

    starting = asyncio.get_running_loop().create_task(browser.version())
    try:
        async with asyncio.timeout(LIMIT):
            while not is_far_enough(family := started()):
                assert not starting.done(), starting.exception()
                await asyncio.sleep(0.005)  # a look at all processes costs as much of the processor as a start
    finally:  # a start that came no further would be left to the next test
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        await browser.close()
    await gone(*(process.pid for process in family))
    assert started() == []


async def test_a_listener_that_fails_keeps_no_other_from_hearing_that_the_browser_is_lost(tmp_path: Path) -> None:
    heard = asyncio.Event()

    def fails(error: BridgeError) -> None:
        raise KeyError(error)

    browser = Chromium(settings_for(tmp_path).pages, Telemetry())
    browser.on_lost(fails)
    browser.on_lost(lambda _: heard.set())
    pids = dict(await browser.processes())
    os.kill(pids["browser"], signal.SIGKILL)
    async with asyncio.timeout(LIMIT):
        await heard.wait()
    await browser.close()


@pytest.mark.parametrize("wanted", [None, True, False])
def test_the_sandbox_is_off_only_for_root_or_where_the_settings_say_so(wanted: bool | None) -> None:
    assert sandboxed(BrowserSettings(sandbox=wanted)) is (os.geteuid() != 0 if wanted is None else wanted)
