"""The debugger: shows how the page stands and what passes between it and the site, and keeps texts to itself."""

from __future__ import annotations

import asyncio
import io
import re
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from rich.console import Console

from bridge.browser.browser import Chromium
from bridge.cli.page_report import ConsoleReport, report_until_closed
from bridge.demo import DemoSite
from bridge.sites.contract import Turn
from bridge.sites.known_sites import load_driver
from bridge.worker.page_session import Session, open_session
from tests.support.commands import Home
from tests.support.live import QUICK_SITE, directive, settings_for, signed_in_profile
from tests.support.waiting import LIMIT


class Output(io.StringIO):
    """A place to print to that can be waited at."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def write(self, text: str) -> int:
        self._more.set()
        return super().write(text)

    async def shows(self, pattern: str, times: int = 1) -> None:
        """Return as soon as the pattern has been printed that many times."""
        async with asyncio.timeout(LIMIT):
            while len(re.findall(pattern, self.getvalue())) < times:
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def site() -> AsyncGenerator[DemoSite]:
    async with DemoSite(QUICK_SITE) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.at(tmp_path) as made:
        yield made


@asynccontextmanager
async def attended(
    chromium: Chromium, site: DemoSite, folder: Path, *, show_text: bool = False
) -> AsyncGenerator[tuple[Session, Output]]:
    """Open alice's page and report on it, as the command does."""
    settings, output, closed = settings_for(folder), Output(), asyncio.Event()
    report = ConsoleReport(Console(file=output, width=1000), show_text=show_text)
    profile = signed_in_profile(site, "alice")
    async with (
        open_session(chromium, profile, load_driver(profile.site), settings.pages) as session,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(report_until_closed(session, settings.turn, report, closed))
        await output.shows("state +ready")
        yield session, output
        closed.set()


async def chat_by_hand(session: Session, output: Output, prompt: str, number: int = 1) -> None:
    """Type a prompt into a new chat, press Enter until the page takes it, and wait for the end."""
    turn = Turn(prompt)
    await session.driver.open(turn)
    while "request" not in output.getvalue().rpartition("ended")[2]:
        await session.driver.submit(turn)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await output.shows("request ", number)
    await output.shows("ended ", number)


async def test_one_sees_what_the_bridge_sees_but_no_text(chromium: Chromium, site: DemoSite, tmp_path: Path) -> None:
    prompt = directive(text="Nobody reads this.")
    async with attended(chromium, site, tmp_path) as (session, output):
        await output.shows(r"controls +composer by placeholder, send by .+, thinking by text")
        await chat_by_hand(session, output, prompt)
        await chat_by_hand(session, output, prompt, number=2)
    shown = output.getvalue()
    assert len(re.findall("event +Finish +stop", shown)) == 2
    assert "POST /api/v0/chat/completion held, let through: chat_session_id of 36 characters" in shown
    assert re.search(rf"prompt of {len(prompt)} characters, .*thinking_enabled false", shown)
    assert re.search(r"response +200 text/event-stream", shown)
    assert re.search(r"event +Text +\d+ characters$", shown, re.MULTILINE)
    assert re.search(r"ended +\d+ bytes in \d+ chunks, first byte after 0\.\d+ s", shown)
    for secret in (prompt, "Nobody", "reads"):
        assert secret not in shown


async def test_the_answers_are_shown_when_asked_for_and_refusals_with_their_code(
    chromium: Chromium, site: DemoSite, tmp_path: Path
) -> None:
    async with attended(chromium, site, tmp_path, show_text=True) as (session, output):
        await chat_by_hand(session, output, directive(text="Everybody reads this.", token_size=50))
        site.account("alice").sign_out()
        await session.page.reload()
        await output.shows("state +login_required")
    assert "event     Text      21 characters: 'Everybody reads this.'" in output.getvalue()


async def test_the_command_ends_with_ctrl_c_and_leaves_nothing_running(home: Home, site: DemoSite) -> None:
    home.log_in(site)
    async with home.started("debug", "alice", "--headless") as debug:
        await debug.shows("ready")
        await debug.shows("controls")
        assert await debug.ends(signal.SIGINT) == 130
    assert home.left_running() == []
