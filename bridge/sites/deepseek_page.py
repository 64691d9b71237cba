"""The page of chat.deepseek.com as questions and clicks: `deepseek.js` asked, and asked again where the page moved on.

The page redraws itself at any time and may load anew: an element that went away is looked for again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, TypeVar

from loguru import logger
from playwright.async_api import ElementHandle, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

SCRIPT = files("bridge.sites").joinpath("deepseek.js").read_text("utf-8").rstrip().rstrip(";")
LOOK_EVERY = 10
"""Milliseconds between two looks at a page that is not there yet."""
QUICK = 2_000
"""Milliseconds that a page in working order takes for a click and its effect."""
TRIES = 3
MOVED_ON = ("Execution context was destroyed", "not attached to the DOM", "because of a navigation")
"""How Playwright says that what it looked at is not there any more."""

T = TypeVar("T")


class DeepSeekPage:
    """Asks and clicks; `found` tells by what each control was found."""

    def __init__(self, page: Page) -> None:
        self.found: dict[str, str] = {}
        self._page = page

    async def ask(self, function: str, *given: object) -> Any:
        """Call a function of the script."""
        return await _again(lambda: self._page.evaluate(f"given => {SCRIPT}.{function}(...given)", list(given)))

    async def wait_for(self, function: str, *given: object, limit: float) -> Any:
        """Return what the function says as soon as that is something; raise Playwright's `TimeoutError`."""
        if there := await self.ask(function, *given):  # mostly it is, and asking costs less than waiting
            return there
        expression = f"given => {SCRIPT}.{function}(...given)"
        seen = await _again(
            lambda: self._page.wait_for_function(expression, arg=list(given), timeout=limit, polling=LOOK_EVERY)
        )
        return await seen.json_value()

    async def click(self, control: str, *given: str) -> bool:
        """Click a control as a person does, also one that is called disabled; tell whether it is there."""

        async def click() -> bool:
            spot = await self._page.evaluate(f"given => {SCRIPT}.aim(...given)", [control, *given])
            if spot is None:
                return False
            self._note(control, spot["by"])
            if spot["isClear"]:
                await self._page.mouse.click(spot["x"], spot["y"])
                return True
            element = await self._find(control, *given)
            if element is None:
                return False
            try:
                await element.click(timeout=QUICK / 4)
            except PlaywrightTimeout:
                await element.click(timeout=QUICK, force=True)
            return True

        return await _again(click)

    async def hover(self, control: str, *given: str) -> bool:
        """Bring a control into view and point at it; tell whether it is there."""

        async def hover() -> bool:
            element = await self._find(control, *given)
            if element is not None:
                await element.hover(timeout=QUICK)
            return element is not None

        return await _again(hover)

    async def _find(self, control: str, *given: str) -> ElementHandle | None:
        handle = await self._page.evaluate_handle(f"given => {SCRIPT}.find(...given).element", [control, *given])
        return handle.as_element()

    def _note(self, control: str, by: str) -> None:
        if self.found.get(control) != by:
            self.found[control] = by
            logger.debug("The page's control '{}' was found by {}", control, by)


async def _again(act: Callable[[], Awaitable[T]]) -> T:
    """Do it again where the page moved on in the middle of it."""
    for _ in range(TRIES - 1):
        try:
            return await act()
        except PlaywrightError as error:
            if not any(words in str(error) for words in MOVED_ON):
                raise
    return await act()
