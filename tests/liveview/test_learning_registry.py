"""The learning of sites, as far as it needs no page: what is refused, one at a time, given up, and out of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from bridge.browser.browser import Chromium
from bridge.errors import AccountConflict, PoolError, RequestError, UnknownAccount
from bridge.liveview.learning_registry import LearningRegistry
from bridge.liveview.site_learning_target import SiteLearningTarget
from bridge.login.site_learning import Lesson
from bridge.telemetry import Telemetry
from tests.support.live import settings_for

URL = "https://chat.example.com"


class SlowBrowser(Chromium):
    """A browser that never comes to open a context."""

    @asynccontextmanager
    async def context(self, options: Mapping[str, Any]) -> AsyncGenerator[BrowserContext]:
        """Wait."""
        await asyncio.Event().wait()
        async with super().context(options) as context:
            yield context


def registry(folder: Path, changed: list[str] | None = None) -> LearningRegistry:
    """Return one whose browser is slow."""
    settings = settings_for(folder)
    return LearningRegistry(SlowBrowser(settings.pages, Telemetry()), settings.pages, (changed or []).append)


@pytest.mark.parametrize(
    "url", ["", "chat.example.com", "file:///etc/passwd", "https://me:secret@chat.example.com", "javascript:1"]
)
async def test_an_address_that_is_none_is_refused_by_the_name_of_its_field(tmp_path: Path, url: str) -> None:
    with pytest.raises(RequestError) as refused:
        await registry(tmp_path).begin(url, "example")
    assert refused.value.param == "url"
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("name", ["Example", "../example", "a/b", "kimi", "deepseek", "x" * 40])
async def test_a_name_that_is_none_or_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError) as refused:
        await registry(tmp_path).begin(URL, name)
    assert refused.value.param == "name"


async def test_a_site_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    file = settings_for(tmp_path).folders.site_files / "example.toml"
    await asyncio.to_thread(file.parent.mkdir, parents=True)
    await asyncio.to_thread(file.write_text, "mine", "utf-8")
    with pytest.raises(RequestError, match="already"):
        await registry(tmp_path).begin(URL, None)
    assert await asyncio.to_thread(file.read_text, "utf-8") == "mine"


async def test_one_site_is_learned_at_a_time_and_one_that_is_given_up_makes_room(tmp_path: Path) -> None:
    learnings = registry(tmp_path)
    begun = await learnings.begin(URL, None)
    assert (begun.name, begun.state) == ("example", "opening")
    with pytest.raises(AccountConflict, match="example is being learned"):
        await learnings.begin("https://other.example.org", "other")
    with pytest.raises(AccountConflict, match="no prompt"):
        learnings.send(begun.id)
    ended = await learnings.give_up(begun.id)
    assert (ended.state, ended.message) == ("failed", "The learning was given up. No file was written.")
    with pytest.raises(UnknownAccount):
        await learnings.site_file(begun.id)
    again = await learnings.begin(URL, None)
    assert [one.id for one in learnings.all()] == [begun.id, again.id]
    await learnings.close()
    assert learnings.one(again.id).state == "failed"
    with pytest.raises(PoolError, match="stopping"):
        await learnings.begin(URL, None)


async def test_a_learning_that_nobody_ends_is_ended_by_its_limit(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    lesson = Lesson(URL, "example", tmp_path / "example.toml")
    changes: list[str] = []
    browser = SlowBrowser(settings.pages, Telemetry())
    target = SiteLearningTarget("1", lesson, browser, settings.pages, lambda: changes.append("changed"), limit=0.01)
    await target.run()
    assert target.learning().state == "failed"
    assert "It took more than" in target.learning().message
    assert target.ended_at is not None
    assert changes


async def test_an_id_that_is_not_known_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownAccount, match="no site learning"):
        registry(tmp_path).one("x")
