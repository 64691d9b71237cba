"""A window is minimized only while nobody needs it, and what the browser is told last is what is wanted last."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_window import PageWindow
from bridge.settings import BrowserSettings
from tests.support.waiting import LIMIT, settle, until


class Browser:
    """Takes the commands of a CDP session; `told` are the states of the window, and `go` lets them be answered."""

    def __init__(self, *, has_windows: bool = True) -> None:
        self.told: list[str] = []
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()
        self._has_windows = has_windows

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self.asked += 1
        if not self._has_windows:
            raise PlaywrightError("'Browser.getWindowForTarget' wasn't found")
        if params is not None:
            assert (method, params["windowId"]) == ("Browser.setWindowBounds", 7)
            self.told.append(params["bounds"]["windowState"])
            await self.go.wait()
        return {"windowId": 7}


def window_of(browser: Browser, limit: float | None = LIMIT, delay: float = 0.0) -> PageWindow:
    return PageWindow(lambda: cast(CDPSession, browser), limit, delay)


async def test_a_window_is_minimized_while_it_is_not_needed_and_restored_for_each_that_needs_it() -> None:
    browser = Browser()
    window = window_of(browser)
    async with window.minimized():
        await until(lambda: browser.told == ["minimized"])
        async with window.restored():
            assert browser.told == ["minimized", "normal"]
            async with window.restored():
                pass
            assert browser.told == ["minimized", "normal"]
        await until(lambda: browser.told == ["minimized", "normal", "minimized"])
    async with window.restored(), window.minimized():
        assert browser.told == ["minimized", "normal", "minimized", "normal"]
        await settle()
    await window.close()
    assert len(browser.told) == 4


async def test_a_short_use_changes_no_window() -> None:
    browser = Browser()
    window = window_of(browser, delay=60)
    async with window.minimized(), window.restored():
        pass
    assert browser.asked == 0


async def test_no_command_is_sent_where_nothing_is_to_be_minimized() -> None:
    browser = Browser()
    window = window_of(browser, limit=None)
    async with window.minimized():
        await settle()
        async with window.restored():
            pass
        await settle()
    assert browser.asked == 0


async def test_a_browser_without_windows_fails_nothing() -> None:
    browser = Browser(has_windows=False)
    window = window_of(browser)
    async with window.minimized():
        await until(lambda: browser.asked > 0)
        async with window.restored():
            pass
    assert browser.told == []


async def test_a_page_that_hangs_holds_up_no_answer_and_nobody_for_longer_than_the_limit() -> None:
    browser = Browser()
    window = window_of(browser, limit=0.05)
    async with window.minimized():
        await until(lambda: browser.told == ["minimized"])
        await until(lambda: browser.asked == 2)
        browser.go.clear()
    async with asyncio.timeout(LIMIT), window.restored():
        assert set(browser.told[1:]) == {"normal"}
    await window.close()


async def test_who_is_cancelled_leaves_a_restored_window_behind_and_hears_of_no_other_cancellation() -> None:
    browser = Browser()
    window = window_of(browser)

    async def answer() -> None:
        try:
            async with window.minimized():
                await until(lambda: browser.told == ["minimized"])
                browser.go.clear()
                raise PlaywrightError("The page is gone.")
        finally:
            await window.close()

    with pytest.raises(PlaywrightError):
        await answer()
    browser.go.set()
    async with window.restored():
        assert browser.told[-1] == "normal"


@pytest.mark.parametrize(
    ("settings", "may_be"),
    [
        ({}, True),
        ({"minimize": False}, False),
        ({"headed": True}, False),
        ({"shell": True}, False),
        ({"connect": "playwright+ws://127.0.0.1:3000/"}, True),
        ({"trace": "/tmp/traces"}, False),  # noqa: S108 - nothing is written
    ],
)
def test_windows_that_people_look_at_and_browsers_without_any_are_left_alone(
    settings: dict[str, Any], may_be: bool
) -> None:
    assert BrowserSettings(**settings).may_minimize is may_be
