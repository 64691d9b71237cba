"""Queries and clicks the page of chat.deepseek.com through `controls.js`, and retries where the page navigated.

The page redraws itself at any time and may reload: an element that disappeared is looked up again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, TypeVar

from loguru import logger
from playwright.async_api import ElementHandle, JSHandle, Page
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.errors import HumanNeeded, SiteChanged
from bridge.sites.contract import LeftSite
from bridge.sites.guarded_page import QUICK, GuardedPage, held, retried

FOREIGN = "not a page of the site"
SCRIPT = """(origin => {{
  if (location.origin !== origin) throw new Error("{}");
  return (
{}
  );
}})""".format(FOREIGN, files("bridge.sites.deepseek").joinpath("controls.js").read_text("utf-8").rstrip().rstrip(";"))
CALL = "([script, name, given]) => script[name](...given)"
LOOK_EVERY = 10
"""Milliseconds between two checks of a page that is not ready yet."""
NAMES = {
    "composer": "composer",
    "send": "send button",
    "thinking": "switch for DeepThink",
    "search": "switch for Search",
    "newChat": "New chat",
    "row": "row of a conversation",
    "rowMenu": "menu of a conversation's row",
    "deleteEntry": "Delete in the menu of a conversation",
    "deleteButton": "button that confirms the deletion",
}
HELD_UP = 0.5
"""Seconds without a reply after which a page counts as blocked, not as one that lacks what was waited for."""

T = TypeVar("T")


class DeepSeekPage(GuardedPage):
    """The page, queried and clicked by control names; `found` holds how each control was found.

    The script is compiled once for each document and held by a handle that the page cannot see. It runs only in
    documents of the site's own origin, and every call goes to the document that holds the handle: a call, and the
    prompt in it, never reaches another document.
    """

    def __init__(self, page: Page, origin: str) -> None:
        super().__init__(page, origin)
        self.found: dict[str, str] = {}
        self._script: JSHandle | None = None

    async def ask(self, function: str, *given: object) -> Any:
        """Call a function of the script."""
        return await self._again(lambda script: self.page.evaluate(CALL, [script, function, given]))

    async def wait_for(self, function: str, *given: object, limit: float = QUICK) -> Any:
        """Return the function's result as soon as it is truthy; raise Playwright's `TimeoutError`.

        If the page was blocked meanwhile, by the machine or by its own work, the time limit starts again.
        """
        if there := await self.ask(function, *given):  # mostly it is there, and asking costs less than waiting
            return there

        async def wait(script: JSHandle) -> Any:
            arguments = [script, function, given]
            found = await self.page.wait_for_function(CALL, arg=arguments, timeout=limit, polling=LOOK_EVERY)
            async with held(found):
                return await found.json_value()

        while True:
            try:
                return await self._again(wait)
            except PlaywrightTimeout:
                asked = time.monotonic()
                if there := await self.ask(function, *given):
                    return there
                if time.monotonic() - asked < HELD_UP:
                    raise

    async def click_required(self, control: str, *given: str) -> None:
        """Click a control, which may still have to appear; raise `SiteChanged` if the page has none."""
        if await self.click(control, *given):
            return
        with suppress(PlaywrightTimeout):
            await self.wait_for("has", control, *given)
        if not await self.click(control, *given):
            raise SiteChanged(f"The page's control '{NAMES[control]}' was not found.")

    async def click(self, control: str, *given: str) -> bool:
        """Click a control with the mouse, even one marked as disabled; tell whether it is there."""

        async def click(script: JSHandle) -> bool:
            spot = await self.page.evaluate(CALL, [script, "aim", [control, *given]])
            if spot is not None and spot["isUnder"]:  # a click would hit what covers it
                await self.uncover()
                spot = await self.page.evaluate(CALL, [script, "aim", [control, *given]])
            if spot is None:
                return False
            self._note(control, spot["by"])
            if spot["isClear"]:
                await self.click_at(spot["x"], spot["y"])
                return True
            element = await self._find(script, control, *given)
            if element is None:
                return False
            async with held(element):
                with suppress(PlaywrightTimeout):  # a forced click would hit what covers it
                    await element.click(timeout=QUICK / 4)
            return True

        return await self._again(click)

    async def uncover(self) -> None:
        """Close what covers the composer: by Escape, else by its own button."""
        if (over := await self.ask("covered")) and over["human"]:
            raise HumanNeeded("A check for a human covers the chat.")
        await self.press("Escape")
        if await self.ask("covered"):
            await self.click("closer")

    async def hover(self, control: str, *given: str) -> bool:
        """Scroll to a control and move the mouse over it; tell whether it is there."""

        async def hover(script: JSHandle) -> bool:
            element = await self._find(script, control, *given)
            if element is None:
                return False
            async with held(element):
                await element.hover(timeout=QUICK)
            return True

        return await self._again(hover)

    async def find(self, control: str, *given: str) -> ElementHandle | None:
        """Return the element of a control; the caller must dispose of it (`held`)."""
        return await self._again(lambda script: self._find(script, control, *given))

    async def _find(self, script: JSHandle, control: str, *given: str) -> ElementHandle | None:
        handle = await self.page.evaluate_handle(CALL, [script, "element", [control, *given]])
        if (element := handle.as_element()) is None:
            await handle.dispose()
        return element

    async def _again(self, act: Callable[[JSHandle], Awaitable[T]]) -> T:
        """Run `act` with the script of the current document; run it again where a navigation interrupted it."""
        return await retried(lambda: self._once(act), self._forget_script)

    def _forget_script(self) -> None:
        self._script = None

    async def _once(self, act: Callable[[JSHandle], Awaitable[T]]) -> T:
        if self._script is None:
            self._script = await self._enter()
        return await act(self._script)

    async def _enter(self) -> JSHandle:
        """Compile the script in the current document, if that belongs to the site."""
        try:
            return await self.page.evaluate_handle(SCRIPT, self.origin)
        except PlaywrightError as error:
            if FOREIGN in str(error):
                raise LeftSite(self.page.url) from error
            raise

    def _note(self, control: str, by: str) -> None:
        if self.found.get(control) != by:
            self.found[control] = by
            logger.debug("The page's control '{}' was found by {}", control, by)


class Typing:
    """The progress of the page with the prompt of one turn."""

    def __init__(self, old_notices: Sequence[str] = (), typed: dict[str, Any] | None = None) -> None:
        self.typed = typed
        """The result of filling the composer, if that was done when the chat was opened."""
        self.before: str | None = None
        """The last message of the chat when the prompt was first typed."""
        self.old_notices = old_notices
        self.presses = 0
        self.pressed_at = 0.0
        self.taken = False
